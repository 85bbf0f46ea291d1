import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWith } from '../../machine.ts';
import { type GrpcClient, openGrpcClient } from '../../stack/grpc-sandbox.ts';
import { digestOf, hostOf, TOKEN } from '../../stack/test-stack.ts';
import { type Neighbourhood, startNeighbourhood } from '../stand-in/neighbourhood.ts';

let place: Neighbourhood;
const clients: GrpcClient[] = [];

function connected(host: string, token?: string): GrpcClient {
  const client = openGrpcClient(place.stack.https, place.stack.ca, host, token);
  clients.push(client);
  return client;
}

describeWith('isolation', 'gRPC through the node proxy', () => {
  beforeAll(async () => {
    place = await startNeighbourhood();
    const access = { allowPublicTraffic: false, tokens: [{ id: 'default', sha256: digestOf(TOKEN) }] };
    const one = await place.add('one', { access });
    const two = await place.add('two', { mask: `masked:\${PORT}` });
    await place.serve(one, 8080, '', 'grpc-server.mjs');
    // Two ports of one sandbox share a connection of Envoy.
    await place.serve(two, 8080, '', 'grpc-server.mjs');
    await place.serve(two, 8081, 'sleep 0.8;', 'grpc-server.mjs');
    await place.serve(two, 8082);
  });
  afterAll(async () => {
    for (const client of clients) client.close();
    await place?.stop();
  });

  it('reaches its own sandbox and port with every kind of call, and a late server', async () => {
    const host = hostOf(8080, 'one');
    const client = connected(host, TOKEN);
    expect(await client.unary('hello')).toMatchObject({ messages: ['hello'], trailers: [`one ${host}`] });
    expect(await client.chat(['a', 'b'])).toMatchObject({ code: status.OK, messages: ['a', 'b'] });
    const big = await client.unary(Buffer.alloc(2_000_000));
    expect(big).toMatchObject({ code: status.OK, messages: ['2000000 bytes'] });
    expect(await connected(hostOf(8081, 'two')).unary('late')).toMatchObject({
      trailers: ['two masked:8081'],
    });
    expect(await connected(hostOf(8080, 'two')).unary('x')).toMatchObject({ trailers: ['two masked:8080'] });
  });

  it('passes on an error without a message', async () => {
    const { code, trailers } = await connected(hostOf(8080, 'two')).download();
    expect({ code, trailers }).toEqual({ code: status.ABORTED, trailers: ['two masked:8080'] });
  });

  it('is refused like every request', async () => {
    expect(await connected(hostOf(8080, 'one')).unary('x')).toMatchObject({ code: status.PERMISSION_DENIED });
    for (const port of [8082, 9999]) {
      const outcome = await connected(hostOf(port, 'two')).unary('x');
      expect(outcome).toMatchObject({ code: status.UNAVAILABLE, messages: [] });
      expect(outcome.details).toMatch(
        /^The sandbox('s answer could not be read| is running but port is not open)$/,
      );
    }
  });
});
