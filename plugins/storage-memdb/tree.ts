/** The most entries of a leaf, and children of a branch. Larger nodes make finding faster and changing slower. */
export const MOST = 32;
const FEWEST = MOST / 4;

/** Below 0 where a comes first, 0 where they are at the same place. */
export type Compare<E> = (a: E, b: E) => number;

/** Never changed, so trees share them. A leaf holds entries; a branch the first entry of each child, and the children. */
export class Node<E> {
  readonly entries: readonly E[];
  readonly children: readonly Node<E>[] | undefined;
  /** How many entries there are in all leaves below. */
  readonly size: number;

  constructor(entries: readonly E[], children: readonly Node<E>[] | undefined, size: number) {
    this.entries = entries;
    this.children = children;
    this.size = size;
  }
}

const leaf = <E>(entries: readonly E[]) => new Node(entries, undefined, entries.length);
const branch = <E>(children: readonly Node<E>[]) =>
  new Node(
    children.map((child) => child.entries[0]!),
    children,
    children.reduce((sum, child) => sum + child.size, 0),
  );

// Arrays are filled one by one: those that grow by `push` or `splice` get half as much again as they need.

function inserted<T>(array: readonly T[], at: number, value: T): T[] {
  const next = new Array<T>(array.length + 1);
  for (let i = 0; i < at; i++) next[i] = array[i]!;
  next[at] = value;
  for (let i = at; i < array.length; i++) next[i + 1] = array[i]!;
  return next;
}

function replaced<T>(array: readonly T[], at: number, value: T): T[] {
  const next = new Array<T>(array.length);
  for (let i = 0; i < array.length; i++) next[i] = array[i]!;
  next[at] = value;
  return next;
}

/** How many of the entries come before the place; those at it too, where `through`. */
function before<E>(entries: readonly E[], place: E, through: boolean, compare: Compare<E>): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const order = compare(entries[middle]!, place);
    if (order < 0 || (through && order === 0)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The child in whose range the place is. */
const childAt = <E>(node: Node<E>, place: E, compare: Compare<E>): number =>
  Math.max(0, before(node.entries, place, true, compare) - 1);

/** The node with the entry in the place of an equal one, or besides; it may have one too many. */
function put<E>(node: Node<E>, entry: E, compare: Compare<E>): Node<E> {
  if (node.children) {
    const at = childAt(node, entry, compare);
    return withChild(node, at, put(node.children[at]!, entry, compare));
  }
  const at = before(node.entries, entry, false, compare);
  const there = at < node.entries.length && compare(node.entries[at]!, entry) === 0;
  return leaf(there ? replaced(node.entries, at, entry) : inserted(node.entries, at, entry));
}

/** The node with an entry that follows all others; undefined where there is no room at its end. */
function append<E>(node: Node<E>, entry: E): Node<E> | undefined {
  const { children, entries, size } = node;
  if (!children) return entries.length < MOST ? leaf(inserted(entries, entries.length, entry)) : undefined;
  const last = children.length - 1;
  const child = append(children[last]!, entry);
  if (child) return new Node(entries, replaced(children, last, child), size + 1);
  if (children.length === MOST) return undefined;
  const next = alone(entry, children[last]!);
  return new Node(inserted(entries, entries.length, entry), inserted(children, children.length, next), size + 1);
}

/** A node of one entry, as high as another. */
const alone = <E>(entry: E, { children }: Node<E>): Node<E> =>
  children ? new Node([entry], [alone(entry, children[0]!)], 1) : leaf([entry]);

/** The node without the entry, or itself where it is not there; it may have too few. */
function remove<E>(node: Node<E>, entry: E, compare: Compare<E>): Node<E> {
  if (node.children) {
    const at = childAt(node, entry, compare);
    const child = remove(node.children[at]!, entry, compare);
    return child === node.children[at] ? node : withChild(node, at, child);
  }
  const at = before(node.entries, entry, false, compare);
  if (at === node.entries.length || compare(node.entries[at]!, entry) !== 0) return node;
  return leaf(node.entries.toSpliced(at, 1));
}

/** The branch with another child at a place. One that has too many or too few is evened out with a neighbour. */
function withChild<E>({ entries, children: all, size }: Node<E>, at: number, child: Node<E>): Node<E> {
  const children = all!;
  const count = child.entries.length;
  if (count >= FEWEST && count <= MOST)
    return new Node(
      replaced(entries, at, child.entries[0]!),
      replaced(children, at, child),
      size + child.size - children[at]!.size,
    );
  const neighbour = at > 0 ? at - 1 : at + 1;
  const other = children[neighbour];
  const both = count + (other?.entries.length ?? 0);
  const next = replaced(children, at, child);
  // A neighbour that is almost full would be asked again at once.
  if (!other || (count > MOST && both > 2 * MOST - FEWEST)) next.splice(at, 1, ...dealt([child], count > MOST ? 2 : 1));
  else
    next.splice(
      Math.min(at, neighbour),
      2,
      ...dealt([next[Math.min(at, neighbour)]!, next[Math.max(at, neighbour)]!], both > MOST ? 2 : 1),
    );
  return branch(next);
}

/** What the nodes hold, in so many nodes of equal length; none that is empty. */
function dealt<E>(nodes: readonly Node<E>[], parts: number): Node<E>[] {
  const entries = nodes.flatMap((node) => node.entries);
  const children = nodes[0]!.children && nodes.flatMap((node) => node.children!);
  const length = Math.ceil(entries.length / parts);
  const result: Node<E>[] = [];
  for (let start = 0; start < entries.length; start += length) {
    const end = start + length;
    result.push(children ? branch(children.slice(start, end)) : leaf(entries.slice(start, end)));
  }
  return result;
}

/** Visits the entries from a place on, or all of them, until the visitor returns true. */
function ascend<E>(node: Node<E>, from: E | undefined, compare: Compare<E>, visit: (entry: E) => boolean): boolean {
  const { children, entries } = node;
  if (children) {
    let at = from === undefined ? 0 : childAt(node, from, compare);
    if (ascend(children[at]!, from, compare, visit)) return true;
    while (++at < children.length) if (ascend(children[at]!, undefined, compare, visit)) return true;
    return false;
  }
  for (let at = from === undefined ? 0 : before(entries, from, false, compare); at < entries.length; at++)
    if (visit(entries[at]!)) return true;
  return false;
}

/** Visits the entries down from a place, or all of them, until the visitor returns true. */
function descend<E>(node: Node<E>, from: E | undefined, compare: Compare<E>, visit: (entry: E) => boolean): boolean {
  const { children, entries } = node;
  let at = (from === undefined ? entries.length : before(entries, from, true, compare)) - 1;
  if (!children) {
    for (; at >= 0; at--) if (visit(entries[at]!)) return true;
    return false;
  }
  if (at >= 0 && descend(children[at]!, from, compare, visit)) return true;
  while (--at >= 0) if (descend(children[at]!, undefined, compare, visit)) return true;
  return false;
}

/** A sorted set, as a B+ tree that is never changed: a change makes another one, which shares all other nodes. */
export class Tree<E> {
  readonly root: Node<E>;
  readonly compare: Compare<E>;

  constructor(compare: Compare<E>, root: Node<E> = leaf([])) {
    this.compare = compare;
    this.root = root;
  }

  get size(): number {
    return this.root.size;
  }

  /** With the entry, in the place of one that is equal to it. */
  with(entry: E): Tree<E> {
    const { root, compare } = this;
    const last = this.last();
    if (last === undefined || compare(last, entry) < 0) {
      const next = append(root, entry) ?? branch([root, alone(entry, root)]);
      return new Tree(compare, next);
    }
    const next = put(root, entry, compare);
    return new Tree(compare, next.entries.length > MOST ? branch(dealt([next], 2)) : next);
  }

  /** Without the entry that is equal to this one. */
  without(entry: E): Tree<E> {
    let root = remove(this.root, entry, this.compare);
    while (root.children && root.children.length < 2) root = root.children[0] ?? leaf([]);
    return new Tree(this.compare, root);
  }

  last(): E | undefined {
    let node = this.root;
    while (node.children) node = node.children.at(-1)!;
    return node.entries.at(-1);
  }

  /** The entry at a place. */
  get(place: E): E | undefined {
    let node = this.root;
    while (node.children) node = node.children[childAt(node, place, this.compare)]!;
    const entry = node.entries[before(node.entries, place, false, this.compare)];
    return entry !== undefined && this.compare(entry, place) === 0 ? entry : undefined;
  }

  /** The first entry at a place or after it. */
  from(place: E): E | undefined {
    let first: E | undefined;
    this.ascend(place, (entry) => {
      first = entry;
      return true;
    });
    return first;
  }

  /** How many entries come before a place; those at it too, where `through`. */
  rank(place: E, through: boolean): number {
    let rank = 0;
    let node = this.root;
    while (node.children) {
      const at = childAt(node, place, this.compare);
      for (let i = 0; i < at; i++) rank += node.children[i]!.size;
      node = node.children[at]!;
    }
    return rank + before(node.entries, place, through, this.compare);
  }

  /** Visits the entries from a place on until the visitor returns true. */
  ascend(from: E, visit: (entry: E) => boolean): void {
    ascend(this.root, from, this.compare, visit);
  }

  /** Visits the entries from a place down until the visitor returns true. */
  descend(from: E, visit: (entry: E) => boolean): void {
    descend(this.root, from, this.compare, visit);
  }
}
