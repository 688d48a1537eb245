/**
 * Path templates in the grammar of google/api/http.proto:
 *
 *     Template = "/" Segment { "/" Segment } [ ":" LITERAL ]
 *     Segment  = "*" | "**" | LITERAL | "{" FieldPath [ "=" Segments ] "}"
 *
 * "**" is the last segment; variables do not nest.
 */

export type Segment =
  /** Percent-decoded. */
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'single' }
  /** '**': zero or more segments. */
  | { readonly kind: 'rest' };

export interface Variable {
  /** Proto names: ['issue', 'id']. */
  readonly field: readonly string[];
  /** The segments it covers: from `start` up to and without `end`, which is Infinity where it ends in '**'. */
  readonly start: number;
  readonly end: number;
}

export interface Template {
  readonly text: string;
  /** Flat: those of the variables among them. */
  readonly segments: readonly Segment[];
  readonly variables: readonly Variable[];
  /** Without the colon; empty where there is none. */
  readonly verb: string;
}

const LITERAL = /(?:[A-Za-z0-9\-._~!$&'()+,;=@]|%[0-9A-Fa-f]{2})+/y;
const FIELD_PATH = /[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*/y;

/** Throws an Error that says what is wrong and where. */
export function parseTemplate(text: string): Template {
  let position = 0;
  const segments: Segment[] = [];
  const variables: Variable[] = [];

  const fail = (expected: string) => new Error(`expected ${expected} at offset ${position}`);
  const take = (token: string) => {
    if (!text.startsWith(token, position)) return false;
    position += token.length;
    return true;
  };
  const takeMatch = (pattern: RegExp, what: string) => {
    pattern.lastIndex = position;
    const found = pattern.exec(text)?.[0];
    if (found === undefined) throw fail(what);
    position += found.length;
    return found;
  };
  const takeLiteral = () => {
    const raw = takeMatch(LITERAL, 'a literal, "*", "**" or a variable');
    try {
      return decodeURIComponent(raw);
    } catch {
      throw new Error(`'${raw}' does not decode to UTF-8`);
    }
  };
  const takeSegments = (inVariable: boolean) => {
    do {
      if (segments.at(-1)?.kind === 'rest') throw new Error('"**" must be the last segment');
      if (take('**')) segments.push({ kind: 'rest' });
      else if (take('*')) segments.push({ kind: 'single' });
      else if (!inVariable && take('{')) takeVariable();
      else segments.push({ kind: 'literal', text: takeLiteral() });
    } while (take('/'));
  };
  const takeVariable = () => {
    const start = segments.length;
    const field = takeMatch(FIELD_PATH, 'a field path').split('.');
    if (take('=')) takeSegments(true);
    else segments.push({ kind: 'single' });
    if (!take('}')) throw fail('"}"');
    variables.push({
      field,
      start,
      end: segments.at(-1)?.kind === 'rest' ? Number.POSITIVE_INFINITY : segments.length,
    });
  };

  if (!take('/')) throw fail('"/"');
  takeSegments(false);
  const verb = take(':') ? takeLiteral() : '';
  if (position < text.length) throw fail('"/", ":" or the end');
  return { text, segments, variables, verb };
}
