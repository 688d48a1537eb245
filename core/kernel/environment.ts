import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseEnv } from 'node:util';
import { type Problem, problem } from './errors.ts';

type Variables = Readonly<Record<string, string | undefined>>;

export interface Found {
  readonly text: string;
  readonly origin: string;
  /** It was read from the file that `<NAME>_FILE` names. */
  readonly secret: boolean;
}

/** The variables that are really set: the process's, below them those of a .env file. An empty one is not set. */
export class Environment {
  readonly #env: Variables;
  readonly #cwd: string;
  readonly #problems: Problem[];
  readonly #dotEnv: Variables;

  /** Reports what cannot be read to `problems`. */
  constructor(env: Variables, cwd: string, envFile: string | undefined, problems: Problem[]) {
    this.#env = env;
    this.#cwd = cwd;
    this.#problems = problems;
    this.#dotEnv = parseEnv((envFile && this.#read(envFile, 'the file .env', true)) || '');
  }

  get(name: string): Found | undefined {
    if (this.#env[name]) return { text: this.#env[name], origin: `variable ${name}`, secret: false };
    if (this.#dotEnv[name]) return { text: this.#dotEnv[name], origin: `variable ${name} in .env`, secret: false };
    return undefined;
  }

  /** The variable, or the contents of the file that `<NAME>_FILE` names, without the line's end. */
  getSecret(name: string): Found | undefined {
    const direct = this.get(name);
    const file = this.get(`${name}_FILE`);
    if (!file) return direct && { ...direct, secret: true };
    if (direct)
      this.#problems.push(
        problem('BAD_CONFIG', { where: direct.origin, what: `and ${name}_FILE are both set; keep one of them` }),
      );
    const text = this.#read(file.text, file.origin)?.replace(/\r?\n$/, '');
    return text ? { text, origin: file.origin, secret: true } : undefined;
  }

  #read(path: string, where: string, mayBeAbsent = false): string | undefined {
    try {
      return readFileSync(resolve(this.#cwd, path), 'utf8');
    } catch (error) {
      const reason = (error as NodeJS.ErrnoException).code ?? 'error';
      if (!mayBeAbsent || reason !== 'ENOENT') this.#problems.push(problem('FILE_UNREADABLE', { where, reason }));
      return undefined;
    }
  }
}

const SUBSTITUTION = /\$\$\{|\$\{(?:([A-Za-z_]\w*)(?::-([^}]*))?\})?/g;

/**
 * Replaces `${NAME}` and `${NAME:-default}`; `$${` stands for `${`. Any variable may come from `<NAME>_FILE`, and is
 * then reported to `secrets`.
 */
export function substitute(
  text: string,
  environment: Environment,
  where: string,
  problems: Problem[],
  secrets: string[],
): string {
  return text.replace(SUBSTITUTION, (match, name: string | undefined, fallback: string | undefined) => {
    if (match === '$${') return '${';
    if (name === undefined) {
      problems.push(problem('BAD_FILE', { where, what: `write \${NAME}, \${NAME:-default}, or $\${ for a plain \${` }));
      return '';
    }
    const found = environment.get(name) ?? environment.getSecret(name);
    if (found?.secret) secrets.push(found.text);
    if (!found && fallback === undefined) problems.push(problem('UNSET_VARIABLE', { where, name }));
    return found?.text ?? fallback ?? match;
  });
}
