import { DomainError } from '../../core/contracts/errors.ts';

/** INVALID_ARGUMENT that names the first line of the file that cannot be taken; lines count from 1. */
export function badLine(line: number, problem: string): DomainError {
  return new DomainError('INVALID_ARGUMENT', 'BAD_EXPORT', `line ${line}: ${problem}; nothing was stored`, {
    metadata: { line: String(line) },
  });
}
