import { and, eq, isIn, matchesText, range } from '../../core/contracts/query.ts';
import { defineTable, int64, text } from '../../core/contracts/tables.ts';
import { uuidv7 } from '../../core/lib/uuid.ts';
import { issuesTable } from '../../plugins/issue/table.ts';
import { MemdbStore } from '../../plugins/storage-memdb/memdb-store.ts';
import { bareTracker, caller } from './memdb-tracker.ts';
import { randoms, WORDS, word } from './random.ts';
import { median, quantile, rate, steadyRate, times } from './timing.ts';

/** What memdb.ts asks of a process of its own. */
export type Job =
  | { readonly name: 'grow'; readonly sizes: readonly number[]; readonly run: number }
  | { readonly name: 'rows'; readonly size: number }
  | { readonly name: 'bare'; readonly indexes: number; readonly run: number }
  | { readonly name: 'server'; readonly size: number };
/** Figures by name. */
export type Figures = Readonly<Record<string, number>>;

/** As many calls as a busy server has under way. */
const AT_A_TIME = 64;
const HELD = 1_000;

function heap(): number {
  globalThis.gc!();
  globalThis.gc!();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Grows one store, and measures at each size. */
async function* grow(sizes: readonly number[], run: number): AsyncGenerator<Figures> {
  const { store, issues, projectIds, wish, stop } = await bareTracker();
  const empty = heap();
  const random = randoms(7);
  const any = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  const ids: string[] = [];
  const create = async (request: ReturnType<typeof wish>) => {
    ids.push((await issues.create(request, caller())).row.id);
  };

  for (const size of sizes) {
    await rate(size - ids.length, AT_A_TIME, (n) => create(wish(ids.length + n)));
    const bytes = (heap() - empty) / size;
    const chosen = Array.from({ length: run }, () => any(ids));
    const get = (n: number) => store.read((tx) => tx.table(issuesTable).get(chosen[n % run]!));
    const find = (query: () => Parameters<typeof search>[0]) => median(Math.ceil(run / 20), () => search(query()));
    const search = (where: ReturnType<typeof and>, orderBy = { columns: ['created_at'] }) =>
      store.read((tx) => tx.table(issuesTable).find({ where, orderBy, limit: 50 }));

    await times(run, get);
    const reads = await times(run, get);
    const project = () => eq('project_id', any(projectIds));
    const page = await find(() => and(project(), eq('status', 'NEW')));
    const filtered = await find(() =>
      and(project(), isIn('priority', ['CRITICAL', 'MAJOR']), eq('status', 'NEW'), range('due_at', { gte: 0 })),
    );
    const rare = await find(() => matchesText(word(WORDS - 1 - Math.floor(random() * WORDS * 0.1))));
    const common = await find(() => matchesText(word(1)));
    const count = await median(run / 10, () =>
      store.read((tx) => tx.table(issuesTable).count({ where: and(project(), eq('status', 'NEW')) })),
    );
    const snapshot = await median(run, () => store.read(async () => undefined));

    const wishes = Array.from({ length: 2 * run }, (_, n) => wish(size + n));
    const creates = await steadyRate(run, AT_A_TIME, (n) => create(wishes[n]!));
    const updates = await steadyRate(run, AT_A_TIME, (n) =>
      issues.update(chosen[n]!, { summary: `${n} ${wishes[n]!.summary}`.slice(0, 60) }, '', caller()),
    );
    // Readers that began one after the other, each with the version that it met.
    const release = Promise.withResolvers<void>();
    const held: Promise<void>[] = [];
    const withHeld = await steadyRate(run, AT_A_TIME, (n) => {
      if (n % (run / HELD) === 0) held.push(store.read(() => release.promise, { timeoutMs: 600_000 }));
      return create(wishes[run + n]!);
    });
    release.resolve();
    await Promise.all(held);

    const underLoad: number[] = [];
    let writing = true;
    const writers = rate(run, AT_A_TIME, (n) => create(wishes[n]!)).then(() => {
      writing = false;
    });
    while (writing) {
      await new Promise(setImmediate);
      const start = performance.now();
      await get(underLoad.length);
      underLoad.push(performance.now() - start);
    }
    await writers;
    underLoad.sort((a, b) => a - b);

    yield {
      size,
      bytes,
      creates,
      updates,
      'creates while 1,000 snapshots are held': withHeld,
      'read p50': quantile(reads, 0.5) * 1000,
      'read p99': quantile(reads, 0.99) * 1000,
      'read p99 under writes': quantile(underLoad, 0.99) * 1000,
      page,
      filtered,
      rare,
      common,
      count,
      snapshot: snapshot * 1000,
    };
  }
  await stop();
}

/** Issues without their events: what the table with its ten indexes and its text index takes. */
async function rows(size: number): Promise<Figures> {
  const { wish, stop } = await bareTracker();
  const empty = heap();
  const store = new MemdbStore();
  store.open([issuesTable]);
  const projectIds = new Map<string, string>();
  await rate(size, AT_A_TIME, (n) => {
    const { projectId, summary, description, priority, dueAt } = wish(n);
    const project_id = projectIds.get(projectId) ?? projectId;
    projectIds.set(project_id, project_id);
    return store.write((tx) =>
      tx.table(issuesTable).insert({
        id: uuidv7(),
        project_id,
        number: n,
        key: `P${n % 100}-${n}`,
        summary,
        description,
        type: 'BUG',
        priority,
        priority_rank: n % 4,
        status: 'NEW',
        due_at: dueAt,
        created_at: tx.now,
        updated_at: tx.now,
      }),
    );
  });
  const bytes = (heap() - empty) / size;
  store.close();
  await stop();
  return { bytes };
}

/** Transactions of one row of go-memdb's benchmark: an id and, with four indexes, three columns besides. */
async function bare(indexes: number, run: number): Promise<Figures> {
  const columns = ['a', 'b', 'c'].slice(0, indexes - 1);
  const table = defineTable({
    name: 'bare',
    columns: { id: text(), a: text(), b: text(), c: int64() },
    primaryKey: ['id'],
    indexes: Object.fromEntries(columns.map((column) => [`by_${column}`, [column as 'a']])),
  });
  const store = new MemdbStore();
  store.open([table]);
  const random = randoms(11);
  const values = Array.from({ length: run }, (_, n) => ({
    id: `id-${(n * 7919) % run}`,
    a: `a-${Math.floor(random() * 1000)}`,
    b: `b-${Math.floor(random() * run)}`,
    c: Math.floor(random() * run),
  }));
  const insert = (n: number) => store.write((tx) => tx.table(table).insert(values[n]!));
  const half = run / 2;
  await rate(half, AT_A_TIME, insert);
  return { writes: await steadyRate(half, AT_A_TIME, (n) => insert(half + n)) };
}

/** A whole server with so many issues, and their events and history. */
async function server(size: number): Promise<Figures> {
  const { issues, wish, stop } = await bareTracker({ servers: true });
  const idle = process.memoryUsage.rss();
  await rate(size, AT_A_TIME, (n) => issues.create(wish(n), caller()));
  const rss = process.memoryUsage.rss();
  const used = heap();
  await stop();
  return { idle, rss, used };
}

async function* figuresOf(job: Job): AsyncGenerator<Figures> {
  if (job.name === 'grow') yield* grow(job.sizes, job.run);
  else if (job.name === 'rows') yield await rows(job.size);
  else if (job.name === 'bare') yield await bare(job.indexes, job.run);
  else yield await server(job.size);
}

for await (const figures of figuresOf(JSON.parse(process.argv[2]!) as Job)) process.send!(figures);
process.disconnect();
