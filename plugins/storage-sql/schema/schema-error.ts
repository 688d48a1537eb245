/** Why a schema cannot be used or changed: one line for the operator, without a secret. */
export class SchemaError extends Error {
  override readonly name = 'SchemaError';

  constructor(message: string, cause?: unknown) {
    super(message, { cause });
  }
}
