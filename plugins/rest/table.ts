import type { Api } from '../../core/contracts/api.ts';
import type { HttpRoute } from '../../core/contracts/http.ts';
import type { Contribution } from '../../core/kernel/index.ts';
import { Router, splitPath } from './router.ts';
import type { MethodRoute } from './routes.ts';
import { compileRoutes } from './routes.ts';

export type Route =
  | { readonly kind: 'method'; readonly name: string; readonly route: MethodRoute }
  | { readonly kind: 'page'; readonly name: string; readonly page: HttpRoute };

/**
 * Everything the server answers to: the pages and the methods' HTTP bindings. Throws one Error that names each bad
 * rule, and all that is claimed twice by who claims it.
 */
export function buildTable(
  api: Pick<Api, 'methods' | 'registry'>,
  pages: readonly Contribution<HttpRoute>[],
  onSkipped: (path: string) => void,
): Router<Route> {
  const router = new Router<Route>();
  const problems: string[] = [];
  const add = (method: string, template: Parameters<Router<Route>['add']>[1], route: Route) => {
    const existing = router.add(method, template, route);
    if (existing !== undefined) problems.push(`${route.name} is the same as ${existing.name}`);
  };
  for (const { plugin, value: page } of pages) {
    const path = page.path.startsWith('/') ? splitPath(page.path) : undefined;
    const name = `GET ${page.path} (a page of plugin '${plugin}')`;
    if (path === undefined) problems.push(`${name} is not the path of a URL`);
    else {
      const segments = path.decoded.map((text) => ({ kind: 'literal', text }) as const);
      add(page.method, { segments, verb: path.verb }, { kind: 'page', name, page });
    }
  }
  for (const route of compileRoutes(api, onSkipped)) {
    const name = `${route.httpMethod} ${route.template.text} (${route.method.path})`;
    add(route.httpMethod, route.template, { kind: 'method', name, route });
  }
  if (problems.length > 0) throw new Error(`HTTP routes that cannot be served: ${problems.join('; ')}`);
  return router;
}
