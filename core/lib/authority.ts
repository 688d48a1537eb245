import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';

const CERTIFICATE = /-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----/gs;

/**
 * The certificates (PEM) of a file, for TLS to trust in the place of the system's. `setting` is what the operator knows
 * the file by. Throws where it cannot be read, or holds none: TLS would take it without a word, and then trust nobody.
 */
export function readAuthority(file: string, setting: string): string {
  const text = readText(file, setting);
  const certificates = text.match(CERTIFICATE) ?? [];
  try {
    for (const one of certificates) new X509Certificate(one);
  } catch (error) {
    throw new Error(`the file of ${setting} holds a certificate that is damaged`, { cause: error });
  }
  if (certificates.length === 0) throw new Error(`the file of ${setting} holds no certificate (PEM)`);
  return text;
}

function readText(file: string, setting: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new Error(`the file of ${setting} cannot be read: ${(error as NodeJS.ErrnoException).code}`, {
      cause: error,
    });
  }
}
