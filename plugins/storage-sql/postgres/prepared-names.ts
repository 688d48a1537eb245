/** A statement is prepared when it comes this often. */
const OFTEN = 3;
/** The most that a connection keeps prepared. */
const MOST_NAMES = 256;
/** The most that are counted; when there are more, counting begins anew. */
const MOST_COUNTED = 2_000;

/**
 * Names for the statements that are prepared: those that come often, and not the texts that free filters make once. A
 * text keeps its name for as long as the process runs.
 */
export class PreparedNames {
  readonly #names = new Map<string, string>();
  readonly #seen = new Map<string, number>();

  /** The name to prepare the text under; undefined where it is to be sent as it is. */
  nameOf(text: string): string | undefined {
    const name = this.#names.get(text);
    if (name !== undefined || this.#names.size >= MOST_NAMES) return name;
    const times = (this.#seen.get(text) ?? 0) + 1;
    if (times < OFTEN) {
      if (this.#seen.size >= MOST_COUNTED) this.#seen.clear();
      this.#seen.set(text, times);
      return undefined;
    }
    this.#seen.delete(text);
    const given = `s${this.#names.size + 1}`;
    this.#names.set(text, given);
    return given;
  }
}
