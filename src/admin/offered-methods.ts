import type { FastifyInstance } from 'fastify';

/** Learns the routes that are added from now on; tells the methods of a path, none where it has no route. */
export function offeredMethods(app: FastifyInstance): (url: string) => string[] {
  const routes: { path: RegExp; methods: string[] }[] = [];
  app.addHook('onRoute', ({ method, url }) => {
    const path = new RegExp(`^${url.replace(/:\w+/g, '[^/]+').replaceAll('.', '\\.')}$`);
    routes.push({ path, methods: [method].flat() });
  });
  return (url) => {
    const path = url.split(/[?#;]/)[0]!;
    const methods = routes.filter((route) => route.path.test(path)).flatMap((route) => route.methods);
    return [...new Set(methods)].sort();
  };
}
