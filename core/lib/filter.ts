import { invalidField } from '../contracts/errors.ts';
import type { Where } from '../contracts/query.ts';
import { Lexer, type Literal, type Operator } from './filter-lexer.ts';
import { comparison, type FilterField } from './filter-values.ts';
import { allOf, anyOf, noneOf } from './filter-where.ts';
import { systemClock } from './time.ts';

export type { FilterField } from './filter-values.ts';
export type FilterFields = Readonly<Record<string, FilterField>>;

const MAX_LENGTH = 4096;
const MAX_DEPTH = 20;
const MAX_COMPARISONS = 100;

/**
 * Reads a filter as AIP-160 defines it, without functions and bare search words. undefined for an empty one.
 *
 *     filter      = [expression]
 *     expression  = sequence {"AND" sequence}
 *     sequence    = factor {factor}                  all of them, as with AND
 *     factor      = term {"OR" term}                 OR binds tighter than AND
 *     term        = ["NOT" | "-"] simple
 *     simple      = "(" expression ")" | field operator argument
 *     argument    = value | "(" expression of values ")"     status = (NEW OR ASSIGNED)
 *
 * Values are bare or quoted ('..' or "..", with \ before a quote, a backslash or a literal *). `options.now` in
 * microseconds is what `now` stands for. INVALID_ARGUMENT that names the position and what was expected there.
 */
export function parseFilter(
  source: string,
  fields: FilterFields,
  options?: { readonly now: number },
): Where | undefined {
  if (source.length > MAX_LENGTH) throw invalidField('filter', `must have at most ${MAX_LENGTH} characters`);
  if (!source.isWellFormed() || source.includes('\0'))
    throw invalidField('filter', 'must be well-formed text without U+0000');
  const parser = new Parser(new Lexer(source), fields, options?.now ?? systemClock.now());
  return parser.filter();
}

type Simple = () => Where;

class Parser {
  readonly #lexer: Lexer;
  readonly #fields: FilterFields;
  readonly #now: number;
  #depth = 0;
  #comparisons = 0;

  constructor(lexer: Lexer, fields: FilterFields, now: number) {
    this.#lexer = lexer;
    this.#fields = fields;
    this.#now = now;
  }

  filter(): Where | undefined {
    if (this.#lexer.ended) return undefined;
    const where = this.#expression(this.#restriction);
    if (!this.#lexer.ended) throw this.#lexer.expected('AND, OR or another comparison');
    return where;
  }

  #expression(simple: Simple): Where {
    const all: Where[] = [];
    do {
      do all.push(this.#factor(simple));
      while (this.#beginsTerm());
    } while (this.#lexer.takeKeyword('AND'));
    return allOf(all);
  }

  /** After a factor, anything but the end, a closing parenthesis and AND is meant as another one. */
  #beginsTerm(): boolean {
    const lexer = this.#lexer;
    return !lexer.ended && lexer.source[lexer.at] !== ')' && lexer.peekName() !== 'AND';
  }

  #factor(simple: Simple): Where {
    const any = [this.#term(simple)];
    while (this.#lexer.takeKeyword('OR')) any.push(this.#term(simple));
    return any.length === 1 ? (any[0] as Where) : anyOf(any);
  }

  #term(simple: Simple): Where {
    // Before a value a minus is the sign of a number.
    const minus = simple === this.#restriction && this.#lexer.take('-');
    const negated = minus || this.#lexer.takeKeyword('NOT');
    const at = this.#lexer.at;
    const where = this.#lexer.take('(') ? this.#composite(simple, at) : simple();
    return negated ? noneOf(where) : where;
  }

  #composite(simple: Simple, at: number): Where {
    this.#depth += 1;
    if (this.#depth > MAX_DEPTH) throw this.#lexer.expected(`at most ${MAX_DEPTH} levels of parentheses`, at);
    const where = this.#expression(simple);
    if (!this.#lexer.take(')')) throw this.#lexer.expected('AND, OR, another comparison or )');
    this.#depth -= 1;
    return where;
  }

  #restriction = (): Where => {
    const lexer = this.#lexer;
    const name = lexer.peekName();
    if (name === undefined || !Object.hasOwn(this.#fields, name))
      throw lexer.expected(
        `a field (one of: ${Object.keys(this.#fields).join(', ')}); keywords are AND, OR, NOT, and a value with spaces needs quotes`,
      );
    lexer.take(name);
    const field = this.#fields[name] as FilterField;
    const operatorAt = lexer.at;
    const operator = lexer.takeOperator();
    if (!operator) throw lexer.expected(`one of the operators = != < <= > >= : after ${name}`);
    const compare = (literal: Literal) => this.#compare(field, operator, operatorAt, literal);
    const at = lexer.at;
    if (lexer.take('(')) return this.#composite(() => compare(this.#literal()), at);
    return compare(this.#literal());
  };

  #literal(): Literal {
    const lexer = this.#lexer;
    const literal = ['AND', 'OR', 'NOT'].includes(lexer.peekName() ?? '') ? undefined : lexer.takeLiteral();
    if (!literal) throw lexer.expected('a value; other than letters, digits and the like it needs quotes');
    return literal;
  }

  #compare(field: FilterField, operator: Operator, operatorAt: number, literal: Literal): Where {
    this.#comparisons += 1;
    if (this.#comparisons > MAX_COMPARISONS)
      throw this.#lexer.expected(`at most ${MAX_COMPARISONS} comparisons`, literal.at);
    return comparison(field, operator, literal, this.#now, (expected, at) =>
      this.#lexer.expected(expected, at === 'operator' ? operatorAt : literal.at),
    );
  }
}
