export interface Target {
  readonly path: string;
  readonly query: string;
}

/** Of a request target in origin form, or in the absolute form that proxies send (RFC 9112, 3.2). */
export function pathAndQuery(target: string): Target {
  let origin = target;
  if (!target.startsWith('/')) {
    const authority = /^https?:\/\/[^/?]*/i.exec(target);
    if (authority !== null) origin = target.slice(authority[0].length);
    if (authority !== null && !origin.startsWith('/')) origin = `/${origin}`;
  }
  const mark = origin.indexOf('?');
  return mark === -1 ? { path: origin, query: '' } : { path: origin.slice(0, mark), query: origin.slice(mark + 1) };
}
