import { type DomainError, invalidField } from '../contracts/errors.ts';

/** A value as it was written: `bare` where it stood without quotes, `wildcards` where it has a `*` that is meant as one. */
export interface Literal {
  readonly text: string;
  readonly bare: boolean;
  readonly wildcards: readonly number[];
  readonly at: number;
}

const OPERATORS = ['<=', '>=', '!=', '=', '<', '>', ':'] as const;
export type Operator = (typeof OPERATORS)[number];

const NAME = /[A-Za-z_][A-Za-z0-9_.]*/y;
const BARE = /[^\s()"',=<>!:\\]+/y;
/** A time is the one bare value with colons in it. */
const TIME = /\d{4}-\d{2}-\d{2}[Tt]\d{2}:[0-9:.]*(?:[Zz]|[+-]\d{2}:\d{2})?/y;
const SPACE = /\s*/y;

/**
 * Reads a filter from left to right. What a character means depends on what may come next (a time has colons, a
 * number a minus), so the parser asks for what it expects.
 */
export class Lexer {
  readonly source: string;
  /** The index of the next character that is not white space. */
  at = 0;

  constructor(source: string) {
    this.source = source;
    this.#skip(0);
  }

  get ended(): boolean {
    return this.at === this.source.length;
  }

  /** Takes the text if it is next. */
  take(text: string): boolean {
    if (!this.source.startsWith(text, this.at)) return false;
    this.#skip(this.at + text.length);
    return true;
  }

  /** Takes the keyword if it is next, as a word of its own. */
  takeKeyword(word: 'AND' | 'OR' | 'NOT'): boolean {
    return this.peekName() === word && this.take(word);
  }

  peekName(): string | undefined {
    return this.#match(NAME);
  }

  takeOperator(): Operator | undefined {
    return OPERATORS.find((operator) => this.take(operator));
  }

  /** Takes a quoted string or a bare value, or nothing when neither is next. */
  takeLiteral(): Literal | undefined {
    const at = this.at;
    const quote = this.source[at];
    if (quote === '"' || quote === "'") return this.#quoted(quote);
    const text = this.#match(TIME) ?? this.#match(BARE);
    if (text === undefined) return undefined;
    this.#skip(at + text.length);
    const wildcards = [...text.matchAll(/\*/g)].map((match) => match.index);
    return { text, bare: true, wildcards, at };
  }

  /** The error for something else than what was expected, at the next character or where `at` says. */
  expected(what: string, at = this.at): DomainError {
    const characters = [...this.source.slice(0, at)].length;
    const end = at >= this.source.length ? ', but the filter ends' : '';
    return invalidField('filter', `at position ${characters + 1}: expected ${what}${end}`);
  }

  #quoted(quote: string): Literal {
    const start = this.at;
    const wildcards: number[] = [];
    let text = '';
    for (let i = start + 1; i < this.source.length; i++) {
      let char = this.source[i] as string;
      if (char === quote) {
        this.#skip(i + 1);
        return { text, bare: false, wildcards, at: start };
      }
      if (char === '*') wildcards.push(text.length);
      if (char === '\\') {
        i += 1;
        char = this.source[i] ?? '';
        if (!'\\"\'*'.includes(char) || char === '') throw this.expected('one of \\ " \' * after a backslash', i);
      }
      text += char;
    }
    throw this.expected(`a closing ${quote}`, this.source.length);
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at;
    return pattern.exec(this.source)?.[0];
  }

  #skip(from: number): void {
    SPACE.lastIndex = from;
    SPACE.test(this.source);
    this.at = SPACE.lastIndex;
  }
}
