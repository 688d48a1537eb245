/** One table of a run of the benchmarks. */
export interface Section {
  readonly title: string;
  readonly rows: readonly Row[];
  /** What is not installed, where nothing could be measured. */
  readonly missing?: string;
}

export interface Row {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly target?: { readonly atLeast?: number; readonly atMost?: number };
  readonly note?: string;
}

export interface BenchOptions {
  /** Few rows and short runs: to see that it works, not for figures. */
  readonly quick: boolean;
}
