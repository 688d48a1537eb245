import { create, type DescField, type DescMessage, type Message, ScalarType } from '@bufbuild/protobuf';
import type { SeedRandom } from '../../core/contracts/seed.ts';

/** Names and values that were seen in answers, so that requests hit something: by the name of the field. */
export class Pool {
  readonly #values = new Map<string, string[]>();
  #added = 0;

  add(field: string, value: string): void {
    const list = this.#values.get(field) ?? [];
    this.#values.set(field, list);
    if (list.length < 200) list.push(value);
    else list[this.#added++ % 200] = value;
  }

  pick(field: string, random: SeedRandom): string | undefined {
    const list = this.#values.get(field);
    return list && random.pick(list);
  }

  /** Takes in every string of an answer. */
  harvest(json: unknown, field = ''): void {
    if (typeof json === 'string' && json !== '' && json.length < 500) this.add(field, json);
    else if (Array.isArray(json)) for (const item of json) this.harvest(item, field);
    else if (typeof json === 'object' && json !== null)
      for (const [name, value] of Object.entries(json))
        this.harvest(value, name === 'id' ? `${field.replace(/s$/, '')}Id` : name);
  }
}

const WORDS = [
  'fix',
  'Log in',
  'ü',
  '\u{1f600}',
  '漢字',
  'a'.repeat(201),
  '',
  ' ',
  'null',
  "it's",
  '"',
  '\\',
  '%',
  '*',
];
const NAMES = [
  'NEW',
  'ASSIGNED',
  'RESOLVED',
  'CLOSED',
  'REVIEW',
  'BUG',
  'MAJOR',
  'FIXED',
  'OWNER',
  'new',
  'X'.repeat(65),
];
const ORDERS = ['created_at', 'name desc', 'priority', 'number', 'due_at desc,created_at', 'x', 'created_at up', ','];

/** A filter that is often right, from the grammar of core/lib/filter.ts. */
function filter(random: SeedRandom, depth = 0): string {
  const { pick, integer } = random;
  const kind = integer(0, 9);
  if (depth < 4 && kind < 3)
    return `${filter(random, depth + 1)}${pick([' AND ', ' OR ', ' ', ' and ', ' AND NOT '])}${filter(random, depth + 1)}`;
  if (depth < 4 && kind === 3) return `${pick(['', 'NOT ', '-'])}(${filter(random, depth + 1)})`;
  const field = pick([
    'status',
    'priority',
    'summary',
    'created_at',
    'name',
    'email',
    'number',
    'key',
    'is_active',
    'x',
  ]);
  const value = pick([
    'NEW',
    '"a b"',
    '"*x*"',
    "'y'",
    '3',
    '-1',
    'true',
    'null',
    '*',
    'now-7d',
    '"2026-01-01T00:00:00Z"',
    '',
  ]);
  return `${field}${pick([' = ', '!=', ' < ', '>=', ':', ' '])}${value}`;
}

/** A text for a field of this name: often one that fits. */
function text(field: DescField, pool: Pool, random: SeedRandom): string {
  const { pick, integer } = random;
  if (integer(0, 39) === 0) return pick(WORDS);
  const { name } = field;
  const id = () => pool.pick('issueId', random) ?? '00000000-0000-7000-8000-000000000000';
  switch (name) {
    case 'id': {
      const [owner] = field.parent.typeName.split('.');
      if (owner === 'userpb') return pool.pick('userId', random) ?? id();
      if (owner === 'projectpb') return pool.pick('projectId', random) ?? id();
      return integer(0, 1) ? id() : (pool.pick('key', random) ?? 'CORE-1');
    }
    case 'project_id':
      return pool.pick('projectId', random) ?? '';
    case 'user_id':
    case 'assignee_id':
      return integer(0, 3) === 0 ? '' : (pool.pick('userId', random) ?? '');
    case 'email':
      return integer(0, 3) === 0 ? (pool.pick('email', random) ?? '') : `u${integer(0, 1e9)}@example.com`;
    case 'filter':
      return integer(0, 2) === 0 ? '' : filter(random);
    case 'order_by':
      return integer(0, 1) === 0 ? '' : pick(ORDERS);
    case 'page_token':
      return integer(0, 2) === 0 ? (pool.pick('nextPageToken', random) ?? '') : '';
    case 'etag':
      return integer(0, 4) > 0 ? '' : (pool.pick('etag', random) ?? '1');
    case 'request_id':
      return integer(0, 5) === 0 ? `key-${integer(0, 500)}` : '';
    case 'key':
      return integer(0, 1) === 0 ? '' : `K${integer(0, 1e6)}`;
    case 'status':
    case 'type':
    case 'priority':
    case 'resolution':
    case 'role':
      return integer(0, 2) === 0 ? '' : (pool.pick(name, random) ?? pick(NAMES));
    default:
      return integer(0, 2) === 0 ? pick(NAMES) : `${pick(WORDS).slice(0, 50)} ${integer(0, 1e6)}`;
  }
}

function scalar(field: DescField, type: ScalarType, pool: Pool, random: SeedRandom): unknown {
  const { pick, integer } = random;
  switch (type) {
    case ScalarType.STRING:
      return text(field, pool, random);
    case ScalarType.BOOL:
      return integer(0, 1) === 1;
    case ScalarType.BYTES:
      return Buffer.from(pick(WORDS));
    case ScalarType.FLOAT:
    case ScalarType.DOUBLE:
      return pick([0, 1.5, -1, Number.NaN]);
    case ScalarType.INT64:
    case ScalarType.UINT64:
    case ScalarType.SINT64:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return BigInt(integer(0, 5));
    default:
      return integer(0, 9) === 0 ? pick([1000, 1001, 2 ** 31 - 1]) : integer(0, 5);
  }
}

/** A message of the type: most fields set, most values such that they may be right. */
export function generate(type: DescMessage, pool: Pool, random: SeedRandom, depth = 0): Message {
  const init: Record<string, unknown> = {};
  const value = (field: DescField): unknown => {
    if (field.message) return special(field.message, type, random) ?? generate(field.message, pool, random, depth + 1);
    if (field.enum) return random.pick(field.enum.values).number;
    return scalar(field, field.scalar!, pool, random);
  };
  for (const field of type.fields) {
    if (field.oneof || depth > 4 || random.integer(0, 9) === 0) continue;
    if (field.fieldKind === 'map') init[field.localName] = {};
    else if (field.fieldKind === 'list')
      init[field.localName] = Array.from({ length: random.integer(0, 3) }, () => value(field));
    else init[field.localName] = value(field);
  }
  return create(type, init as never);
}

function special(message: DescMessage, parent: DescMessage, random: SeedRandom): Message | undefined {
  if (message.typeName === 'google.protobuf.Timestamp')
    return create(message, {
      seconds: BigInt(random.integer(0, 4_000_000_000)),
      nanos: random.integer(0, 999_999) * 1000,
    } as never);
  if (message.typeName === 'google.protobuf.FieldMask') {
    const names = parent.fields.map(({ name }) => name);
    const paths = Array.from({ length: random.integer(0, 3) }, () => random.pick(names));
    return create(message, { paths } as never);
  }
  return undefined;
}
