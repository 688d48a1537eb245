import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A certificate and its key: files in PEM. */
export interface Certificate {
  readonly certFile: string;
  readonly keyFile: string;
}

/** An authority of the tests alone, that signs certificates, in a folder that goes with it. */
export interface Authority {
  /** Its own certificate: what trusts this one trusts all that it signed. */
  readonly caFile: string;
  /** Of a server that is found by this name, and by no other. */
  certificateFor(host: string): Certificate;
  remove(): void;
}

/** Needs openssl, as TLS in all of the servers does. */
export function newAuthority(): Authority {
  const folder = mkdtempSync(join(tmpdir(), 'tracker-tls-'));
  const openssl = (...args: readonly string[]) => void execFileSync('openssl', args, { stdio: 'pipe', cwd: folder });
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  openssl('req', '-x509', ...newKey, '-subj', '/CN=authority of the tests', '-keyout', 'ca.key', '-out', 'ca.pem');
  return {
    caFile: join(folder, 'ca.pem'),
    certificateFor(host) {
      const [cert, key] = [`${host}.pem`, `${host}.key`];
      const name = ['-subj', `/CN=${host}`, '-addext', `subjectAltName=DNS:${host}`];
      const signed = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-addext', 'basicConstraints=critical,CA:FALSE'];
      openssl('req', '-x509', ...newKey, ...name, ...signed, '-keyout', key, '-out', cert);
      return { certFile: join(folder, cert), keyFile: join(folder, key) };
    },
    remove: () => rmSync(folder, { recursive: true }),
  };
}
