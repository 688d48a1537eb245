import { type Contribution, point, token } from '../kernel/plugin.ts';
import type { WriteTransaction } from './store.ts';
import type { AnyTable } from './tables.ts';

/**
 * A change of rows that a new version of a plugin needs: it fills a new column, splits another, moves rows to a new
 * table. A store whose rows outlive the process runs each once, in the order in which a plugin contributes them and the
 * plugins are set up, and remembers it in the same transaction; then come the indexes and rules that the rows have to
 * meet: a column that is not nullable may be new, and empty in the rows that were there, until the migration has run.
 *
 * It is for rows that an older version has left. So it does nothing where there are no rows: in a new store it may run or
 * not, and a store without rows of earlier versions, such as memdb, never runs it.
 */
export interface DataMigration {
  /** Unique in its plugin: 'fill_points'. It stays in the list for ever: a store that knows another is newer than the code. */
  readonly id: string;
  /**
   * In one transaction, of which it may be the second try, as with every write. No other instance migrates meanwhile;
   * instances of an older version may still write.
   */
  run(tx: WriteTransaction): Promise<void>;
}

/** What plugins change of their rows. A storage plugin collects it. */
export const dataMigrations = point<DataMigration>('storage.migrations');

/** What the enabled plugins want to find in a database. */
export interface Declarations {
  readonly tables: readonly Contribution<AnyTable>[];
  readonly migrations: readonly Contribution<DataMigration>[];
}

/** One change of the database. */
export interface MigrationStep {
  /** 'add column issues.points'. */
  readonly what: string;
  /** What is run, to read. */
  readonly sql: readonly string[];
  /** It loses data, or a promise about data. */
  readonly destructive: boolean;
  /** Without it the code cannot work on the database. */
  readonly required: boolean;
}

export interface MigrationPlan {
  /** Where there is no database yet, and `apply` makes it: a line that says so. */
  readonly absent?: string;
  /** In order, without those of data migrations that are still to come. */
  readonly steps: readonly MigrationStep[];
  /** Data migrations that were not run, '<plugin>/<id>', in order. */
  readonly migrations: readonly string[];
  /** What has to change before anything is applied, a sentence each. */
  readonly problems: readonly string[];
  /** What is left as it is: tables of plugins that are not enabled. */
  readonly left: readonly string[];
}

/** Whether the storage can serve on what is there. Steps that are not required may be left. */
export const isUpToDate = ({ steps, migrations, problems }: MigrationPlan): boolean =>
  problems.length === 0 && migrations.length === 0 && !steps.some(({ required }) => required);

/** The schema of a storage that has one outside of this process. Its errors have a message for the operator, of one line. */
export interface SchemaMigrations {
  /** What differs from the declarations; changes nothing. */
  plan(declared: Declarations, signal: AbortSignal): Promise<MigrationPlan>;
  /**
   * Makes the database what is declared, and returns what it did. One instance does so at a time. Rejects, having
   * applied nothing, where the plan has problems, or required steps that are destructive and `allowDestructive` is false.
   * Destructive steps that are not required are left out unless allowed.
   */
  apply(
    declared: Declarations,
    options: { readonly allowDestructive: boolean; readonly signal: AbortSignal },
  ): Promise<MigrationPlan>;
  /** Data migrations that were run, '<plugin>/<id>', and when. */
  done(signal: AbortSignal): Promise<readonly { readonly id: string; readonly at: string }[]>;
}

/** Provided by storages that have a schema to migrate. It can be used before the storage is started, and without that. */
export const schemaMigrations = token<SchemaMigrations>('storage.schema');
