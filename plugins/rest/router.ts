import type { Segment } from './template.ts';

/** The path of a request, cut up. */
export interface Path {
  /** As sent. */
  readonly raw: readonly string[];
  /** Percent-decoded; the same array as `raw` where nothing was encoded. */
  readonly decoded: readonly string[];
  /** What follows the last colon of the last segment: a colon that belongs to a value is sent as %3A. */
  readonly verb: string;
}

/** Undefined for percent-encoding that is malformed or no UTF-8, and for characters that may not be in a path. */
export function splitPath(path: string): Path | undefined {
  const raw = path.slice(1).split('/');
  const last = raw[raw.length - 1]!;
  const colon = last.lastIndexOf(':');
  if (colon !== -1) raw[raw.length - 1] = last.slice(0, colon);
  const verb = colon === -1 ? '' : last.slice(colon + 1);
  if (/[^\x21-\x7e]/.test(path)) return undefined;
  if (!path.includes('%')) return { raw, decoded: raw, verb };
  try {
    return { raw, decoded: raw.map(decodeURIComponent), verb: decodeURIComponent(verb) };
  } catch {
    return undefined;
  }
}

/** By verb, then by HTTP method. */
type Leaves<T> = Map<string, Map<string, T>>;

interface Node<T> {
  readonly literals: Map<string, Node<T>>;
  single: Node<T> | undefined;
  /** What ends here. */
  readonly here: Leaves<T>;
  /** What ends here in '**'. */
  readonly rest: Leaves<T>;
}

const newNode = <T>(): Node<T> => ({ literals: new Map(), single: undefined, here: new Map(), rest: new Map() });

/**
 * A tree of path segments. A literal is tried before '*', and that before '**'; what leads nowhere is tried no
 * further, so that the order of adding means nothing.
 */
export class Router<T> {
  readonly #root: Node<T> = newNode();

  /** `method` is '*' for any. Returns what already is in this place, and then adds nothing. */
  add(
    method: string,
    template: { readonly segments: readonly Segment[]; readonly verb: string },
    value: T,
  ): T | undefined {
    let node = this.#root;
    let leaves: Leaves<T> | undefined;
    for (const segment of template.segments) {
      if (segment.kind === 'rest') {
        leaves = node.rest;
        break;
      }
      let next = segment.kind === 'literal' ? node.literals.get(segment.text) : node.single;
      if (next === undefined) {
        next = newNode();
        if (segment.kind === 'literal') node.literals.set(segment.text, next);
        else node.single = next;
      }
      node = next;
    }
    leaves ??= node.here;
    const methods = leaves.get(template.verb) ?? new Map<string, T>();
    leaves.set(template.verb, methods);
    const existing = methods.get(method);
    if (existing === undefined) methods.set(method, value);
    return existing;
  }

  /** A HEAD request falls back to what serves GET. */
  match(method: string, path: Path): T | undefined {
    const pick = (wanted: string) =>
      this.#find(this.#root, path, 0, (methods) => methods.get(wanted) ?? methods.get('*'));
    return pick(method) ?? (method === 'HEAD' ? pick('GET') : undefined);
  }

  /** The methods that the path can be asked with; none for an unknown path. */
  allowed(path: Path): string[] {
    const found = new Set<string>();
    this.#find(this.#root, path, 0, (methods) => {
      for (const method of methods.keys()) found.add(method);
      return undefined;
    });
    if (found.size === 0) return [];
    if (found.has('GET')) found.add('HEAD');
    return [...found.add('OPTIONS')].filter((method) => method !== '*').sort();
  }

  #find(node: Node<T>, path: Path, index: number, pick: (methods: Map<string, T>) => T | undefined): T | undefined {
    if (index === path.decoded.length) {
      const methods = node.here.get(path.verb);
      const found = methods && pick(methods);
      if (found !== undefined) return found;
    } else {
      const literal = node.literals.get(path.decoded[index]!);
      const found = literal && this.#find(literal, path, index + 1, pick);
      if (found !== undefined) return found;
      // An empty segment, as in '/users/', is no value.
      if (node.single !== undefined && path.decoded[index] !== '') {
        const found = this.#find(node.single, path, index + 1, pick);
        if (found !== undefined) return found;
      }
    }
    const methods = node.rest.get(path.verb);
    return methods && pick(methods);
  }
}
