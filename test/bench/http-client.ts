/** JSON over HTTP, for what a benchmark does besides what it measures. Rejects with what was answered instead of 200. */
export function httpClient(port: number) {
  const url = (path: string) => `http://127.0.0.1:${port}${path}`;
  const headers = { 'content-type': 'application/json' };
  return {
    // biome-ignore lint/suspicious/noExplicitAny: JSON of any shape
    async post(path: string, body: object): Promise<any> {
      const answer = await fetch(url(path), { method: 'POST', headers, body: JSON.stringify(body) });
      if (answer.status !== 200) throw new Error(`${path} answered ${answer.status}: ${await answer.text()}`);
      return answer.json();
    },
    async text(path: string): Promise<string> {
      return (await fetch(url(path))).text();
    },
  };
}
