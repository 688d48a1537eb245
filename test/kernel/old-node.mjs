/** Makes this process look like an old Node, for `node --import`; one that it starts is itself again. */
if (!process.env.TRACKER_LAUNCHED) {
  Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.0.0' } });
  process.execve = undefined;
}
