import { and, eq, isIn, isNull, like, ne, not, prefix, range, type Value, type Where } from '../contracts/query.ts';
import type { Literal, Operator } from './filter-lexer.ts';
import { isTime, parseRfc3339 } from './time.ts';
import { isUuid } from './uuid.ts';

/** A field that a filter may name, and how it is kept. */
export interface FilterField {
  readonly column: string;
  readonly type: 'text' | 'uuid' | 'int64' | 'bool' | 'timestamp';
  /** May be compared with null; the empty text stands for null. */
  readonly nullable?: boolean;
  /** The only values there are; any other is refused, with this list. A wildcard stands for those that it matches. */
  readonly values?: readonly string[];
  /** What the column holds for a value as written: a name's rank, an address in lower case. */
  readonly map?: (text: string) => string | number;
  /** What the column may hold for one of `values`, where that is several: the statuses of a category. */
  readonly anyOf?: (text: string) => readonly Value[];
  /** Where fewer make sense than the type allows. */
  readonly operators?: readonly string[];
}

/** Says what was expected instead, at the value or, where `operator` is set, at the operator. */
export type Refuse = (expected: string, at?: 'operator') => Error;

const BOUNDS = { '<': 'lt', '<=': 'lte', '>': 'gt', '>=': 'gte' } as const;

/** The operators that a field takes. */
export function operatorsOf(field: FilterField): readonly string[] {
  if (field.operators) return field.operators;
  return field.type === 'bool' || field.type === 'uuid' ? ['=', '!=', ':'] : ['=', '!=', '<', '<=', '>', '>=', ':'];
}

/** The condition of one comparison; `now` in microseconds. */
export function comparison(
  field: FilterField,
  operator: Operator,
  literal: Literal,
  now: number,
  refuse: Refuse,
): Where {
  const allowed = operatorsOf(field);
  if (!allowed.includes(operator)) throw refuse(`one of the operators ${allowed.join(' ')}`, 'operator');
  if (operator === ':' && literal.bare && literal.text === '*') return isPresent(field);
  const equality = operator === '=' || operator === ':' || operator === '!=';
  const negate = (where: Where) => (operator === '!=' ? not(where) : where);

  const saysNull = literal.bare && literal.text === 'null';
  if (saysNull && !field.nullable) throw refuse('a value, for this field always has one; the text null needs quotes');
  if (saysNull || (field.nullable && literal.text === '')) {
    if (!equality) throw refuse('a value to compare with; null fits only = and !=');
    return negate(isNull(field.column));
  }
  if (literal.wildcards.length > 0) {
    const parts = partsOf(field, equality, literal, refuse);
    const begins = parts.length === 2 && parts[1] === '';
    return negate(begins ? prefix(field.column, parts[0]!) : like(field.column, parts));
  }
  if (field.anyOf) {
    if (!field.values?.includes(literal.text)) throw refuse(describe(field));
    return negate(isIn(field.column, field.anyOf(literal.text)));
  }
  const value = readValue(field, literal, now, refuse);
  if (operator === '!=') return ne(field.column, value);
  return equality ? eq(field.column, value) : range(field.column, { [BOUNDS[operator]]: value });
}

/** `field:*`: it has a value. Where the column cannot be null, a text has one unless it is empty. */
function isPresent(field: FilterField): Where {
  if (field.nullable) return not(isNull(field.column));
  return field.type === 'text' && !field.map && !field.values ? ne(field.column, '') : and();
}

/** What stands before, between and behind the wildcards. */
function partsOf(field: FilterField, equality: boolean, literal: Literal, refuse: Refuse): string[] {
  const { text, wildcards } = literal;
  // What is kept under another name, or as several, has no text to compare.
  const renamed = field.anyOf !== undefined || (field.values !== undefined && field.map !== undefined);
  if (field.type !== 'text' || renamed || !equality)
    throw refuse(`${describe(field)} without a wildcard; a * that stands for itself is written "\\*"`);
  const edges = [-1, ...wildcards, text.length];
  return edges.slice(1).map((edge, i) => {
    const part = text.slice(edges[i]! + 1, edge);
    const mapped = field.map?.(part) ?? part;
    if (typeof mapped !== 'string') throw refuse(`${describe(field)} without a wildcard`);
    return mapped;
  });
}

function readValue(field: FilterField, literal: Literal, now: number, refuse: Refuse): Value {
  const { text } = literal;
  if (field.values && !field.values.includes(text)) throw refuse(`one of: ${field.values.join(', ')}`);
  const value = field.map ? field.map(text) : parse(field.type, literal, now);
  if (value === undefined) throw refuse(describe(field));
  return value;
}

function parse(type: FilterField['type'], { text, bare }: Literal, now: number): Value | undefined {
  switch (type) {
    case 'text':
      return text;
    case 'uuid':
      return isUuid(text) ? text.toLowerCase() : undefined;
    case 'bool':
      return text === 'true' || text === 'false' ? text === 'true' : undefined;
    case 'int64': {
      const number = /^[+-]?\d{1,16}$/.test(text) ? Number(text) : undefined;
      // + 0 makes 0 of -0.
      return Number.isSafeInteger(number) ? (number as number) + 0 : undefined;
    }
    case 'timestamp':
      return (bare ? relativeTime(text, now) : undefined) ?? parseRfc3339(text);
  }
}

const UNITS: Readonly<Record<string, number>> = { w: 604_800, d: 86_400, h: 3600, m: 60, s: 1 };

/** 'now', 'now-7d', 'now+1h30m' in microseconds. */
function relativeTime(text: string, now: number): number | undefined {
  const match = /^now(?:([+-])((?:\d{1,9}[wdhms])+))?$/.exec(text);
  if (!match) return undefined;
  let seconds = 0;
  for (const [, count, unit] of (match[2] ?? '').matchAll(/(\d+)([wdhms])/g))
    seconds += Number(count) * (UNITS[unit as string] as number);
  const micros = now + (match[1] === '-' ? -seconds : seconds) * 1_000_000;
  return isTime(micros) ? micros : undefined;
}

/** What a value of the field looks like. */
function describe(field: FilterField): string {
  if (field.values) return `one of: ${field.values.join(', ')}`;
  const orNull = field.nullable ? ', or null' : '';
  switch (field.type) {
    case 'text':
      return `a text${orNull}`;
    case 'uuid':
      return `a UUID${orNull}`;
    case 'bool':
      return `true or false${orNull}`;
    case 'int64':
      return `a whole number${orNull}`;
    case 'timestamp':
      return `a time from 1685 to 2254 (2024-01-31T12:00:00Z, now, now-7d, now+1h30m)${orNull}`;
  }
}
