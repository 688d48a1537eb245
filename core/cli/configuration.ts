import { builtins } from '../../config/builtins.ts';
import { matrix } from '../../config/matrix.ts';
import { readSettings, type Settings } from '../kernel/index.ts';

/** The tracker's own configuration, from these variables; neither they nor the file .env are the process's unless given. */
export function trackerSettings(options: {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly envFile?: string;
}): Promise<Settings> {
  return readSettings({ ...options, matrix, builtins: Object.keys(builtins) });
}
