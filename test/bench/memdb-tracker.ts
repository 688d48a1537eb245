import { builtins } from '../../config/builtins.ts';
import { matrix } from '../../config/matrix.ts';
import { SYSTEM } from '../../core/contracts/api.ts';
import { issues } from '../../core/contracts/issues.ts';
import { projects } from '../../core/contracts/projects.ts';
import { store } from '../../core/contracts/store.ts';
import { boot, type Logger, readSettings } from '../../core/kernel/index.ts';
import type { IssueService } from '../../plugins/issue/service.ts';
import type { NewIssue } from '../../plugins/issue/writes.ts';
import type { ProjectService } from '../../plugins/project/service.ts';
import { textOf } from './random.ts';

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };
const SERVERS = ['api', 'grpc', 'rest', 'health'];
const PRIORITIES = ['CRITICAL', 'MAJOR', 'IMPORTANT', 'MINOR'];
const PROJECTS = 100;

/** As the pipeline makes it: each call has its own, and none is an AbortSignal. */
export const caller = () => ({
  actor: SYSTEM,
  signal: { aborted: false, reason: undefined, addEventListener() {}, removeEventListener() {} },
});

/**
 * A tracker as the variables make it, by default on memdb, with 100 new projects, which is called at its services: no
 * request is decoded. With or without its servers.
 */
export async function bareTracker({
  servers = false,
  variables = {},
}: {
  readonly servers?: boolean;
  readonly variables?: Readonly<Record<string, string>>;
} = {}) {
  const env = { GRPC_PORT: '0', HTTP_PORT: '0', SEED_USER_COUNT: '0', SEED_PROJECT_COUNT: '0', ...variables };
  const settings = await readSettings({ matrix, builtins: Object.keys(builtins), env, cwd: process.cwd() });
  const entries = settings.entries.filter(({ use }) => servers || !SERVERS.includes(String(use)));
  const running = await boot({ entries, builtins, log: silent });
  const projectService = running.service(projects) as ProjectService;
  const issueService = running.service(issues) as IssueService;
  const projectIds: string[] = [];
  for (let i = 0; i < PROJECTS; i++) {
    const wish = { key: `P${String(i).padStart(3, '0')}`, name: `Project ${i}`, description: '' };
    projectIds.push((await projectService.create(wish, caller())).row.id);
  }

  /** The n-th issue: a summary of 60 and a description of 200 characters, each string its own, as from a request. */
  const wish = (n: number): NewIssue => ({
    projectId: Buffer.from(projectIds[n % PROJECTS]!).toString(),
    summary: textOf(2 * n, 60),
    description: textOf(2 * n + 1, 200),
    type: '',
    priority: PRIORITIES[n % 4]!,
    status: n % 5 === 0 ? 'RESOLVED' : '',
    resolution: n % 5 === 0 ? 'FIXED' : '',
    assigneeId: '',
    dueAt: n % 3 === 0 ? 1_800_000_000_000_000 + n * 1_000_000 : null,
  });

  return {
    store: running.service(store),
    issues: issueService,
    projectIds,
    wish,
    stop: () => running.stop('the benchmark is over'),
  };
}

export type BareTracker = Awaited<ReturnType<typeof bareTracker>>;
