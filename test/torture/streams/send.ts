import type { ServerProcess } from '../../support/server-process.ts';

/** JSON by POST; undefined when the server went away before it had answered, or is not there. */
export async function send({ httpPort }: ServerProcess, path: string, body: object, headers: object = {}) {
  try {
    const response = await fetch(`http://127.0.0.1:${httpPort}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
    // biome-ignore lint/suspicious/noExplicitAny: JSON of any shape
    return { status: response.status, body: (await response.json()) as any };
  } catch {
    return undefined;
  }
}
