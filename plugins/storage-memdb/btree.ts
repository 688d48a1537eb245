import sortedBtree from 'sorted-btree';

// The package is CommonJS, so its default export is a property of what Node imports.
export const BTree = sortedBtree.default;
export type BTree<K, V> = InstanceType<typeof sortedBtree.default<K, V>>;
