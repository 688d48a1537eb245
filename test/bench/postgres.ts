import { startPostgres } from '../support/services/postgres.ts';

/** A server as an installation has it: what it has stored is on the disk. undefined where PostgreSQL is not installed. */
export const durablePostgres = () => startPostgres({ fsync: 'on', full_page_writes: 'on', shared_buffers: '1GB' });

/** For the bare driver: where the tracker's variables lead. */
export const connectionOf = (variables: Readonly<Record<string, string>>) => ({
  host: variables['POSTGRES_HOST']!,
  port: Number(variables['POSTGRES_PORT']),
  user: variables['POSTGRES_USER']!,
  password: variables['POSTGRES_PASSWORD']!,
  database: variables['POSTGRES_DB']!,
});
