/** One step of a tutorial: a file to write, or commands to run. */
export type Step =
  | { readonly kind: 'file'; readonly path: string; readonly text: string }
  | { readonly kind: 'sh'; readonly commands: string; readonly tag: string };

const FENCE = /^```(\w*)(?: +(\w+))?\n([\s\S]*?)^```$/gm;
const FILE = /`([\w./-]+)`:\n\n$/;

/**
 * The steps of a page, in order: a code block after a line that ends in `path`: is that file; one of `sh` is commands, with
 * the word after `sh` as its tag. Any other block is for the reader alone.
 */
export function stepsOf(markdown: string): readonly Step[] {
  return [...markdown.matchAll(FENCE)].flatMap((match): Step[] => {
    const [, language, tag = '', body = ''] = match;
    const path = FILE.exec(markdown.slice(0, match.index))?.[1];
    if (path !== undefined) return [{ kind: 'file', path, text: body }];
    return language === 'sh' ? [{ kind: 'sh', commands: body, tag }] : [];
  });
}
