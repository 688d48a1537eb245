/** Says that something is no longer wanted, once. An AbortSignal is one; something lighter will do. */
export interface Cancellation {
  readonly aborted: boolean;
  readonly reason: unknown;
  addEventListener(type: 'abort', listener: CancellationListener): void;
  removeEventListener(type: 'abort', listener: CancellationListener): void;
}

export interface CancellationListener {
  /** Once, at most. */
  handleEvent(): void;
}
