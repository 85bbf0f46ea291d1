// @ts-nocheck: its types come from the package that it runs next to, which the tests install from its registry.
// What a program can do with E2B's SDK for JavaScript against the local cloud, call by call. It runs next to an installed
// `e2b` and prints one JSON line per call: { call, works, error? }. `refused`: a call that the local cloud does not offer.
import { randomBytes } from 'node:crypto';
import { request } from 'node:https';
import { CommandExitError, Sandbox } from 'e2b';

/** @param {string} call @param {() => Promise<unknown>} work */
async function check(call, work) {
  try {
    await work();
    console.log(JSON.stringify({ call, works: true }));
  } catch (error) {
    console.log(
      JSON.stringify({ call, works: false, error: String(/** @type {Error} */ (error).stack ?? error) }),
    );
  }
}

/** @param {string} call @param {() => Promise<unknown>} work */
async function refused(call, work) {
  const answered = await work().then(
    () => 'it was answered',
    () => undefined,
  );
  console.log(JSON.stringify({ call, works: false, refused: answered === undefined, error: answered }));
}

/** @param {unknown} actual @param {unknown} expected */
function equal(actual, expected) {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${a} is not ${b}`);
}

/** @param {() => Promise<boolean>} holds */
async function eventually(holds) {
  for (const until = Date.now() + 10_000; !(await holds()); ) {
    if (Date.now() > until) throw new Error('it did not come about within 10 s');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** @param {import('e2b').Sandbox} sandbox @param {number} port @param {Record<string, string>} [headers] */
async function ask(sandbox, port, headers) {
  const response = await fetch(`https://${sandbox.getHost(port)}`, headers === undefined ? {} : { headers });
  return { status: response.status, text: await response.text() };
}

/** @param {import('e2b').Sandbox} sandbox */
const tokenOf = (sandbox) => ({ 'e2b-traffic-access-token': String(sandbox.trafficAccessToken) });

const ECHO_HOST = `
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = (self.headers['Host'] + ' ' + self.headers.get('X-Forwarded-Host', '-')).encode()
        self.send_response(200); self.send_header('Content-Length', str(len(body))); self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer(('127.0.0.1', 8080), Handler).serve_forever()
`;
const EVENTS = `
import http.server, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header('Content-Type', 'text/event-stream'); self.end_headers()
        for n in range(3):
            self.wfile.write(f'data: {n}\\n\\n'.encode()); self.wfile.flush(); time.sleep(0.2)
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer(('127.0.0.1', 8081), Handler).serve_forever()
`;
const WEBSOCKET = `
import base64, hashlib, socketserver
class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        key = ''
        while (line := self.rfile.readline().decode().strip()):
            name, _, value = line.partition(':')
            if name.lower() == 'sec-websocket-key': key = value.strip()
        accept = base64.b64encode(hashlib.sha1((key + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').encode()).digest()).decode()
        self.wfile.write(('HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n'
            'Sec-WebSocket-Accept: ' + accept + '\\r\\n\\r\\n').encode()); self.wfile.flush()
        self.wfile.write(b'\\x81\\x05' + self.rfile.read(5)); self.wfile.flush()
socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer(('127.0.0.1', 8082), Handler).serve_forever()
`;

/** @type {import('e2b').Sandbox} */
let box;
const tag = randomBytes(6).toString('hex');
await check('Sandbox.create', async () => {
  const network = { allowPublicTraffic: false };
  box = await Sandbox.create({
    network,
    metadata: { tag },
    envs: { FROM_CREATE: 'yes' },
    timeoutMs: 600_000,
  });
  equal(/^i[a-z0-9]{20}$/.test(box.sandboxId), true);
  equal(/^[0-9a-f]{64}$/.test(String(box.trafficAccessToken)), true);
});
await check('Sandbox.create: unknown template is refused', async () => {
  const error = await Sandbox.create('no-such-template').then(
    () => undefined,
    (/** @type {Error} */ thrown) => thrown,
  );
  equal(/template 'no-such-template' not found/.test(String(error)), true);
});
await check('Sandbox.connect', async () => {
  const again = await Sandbox.connect(box.sandboxId);
  equal(again.trafficAccessToken, box.trafficAccessToken);
  equal((await again.commands.run('echo same')).stdout, 'same\n');
});
await check('Sandbox.list', async () => {
  const pages = Sandbox.list({ query: { metadata: { tag }, state: ['running'] } });
  const found = await pages.nextItems();
  equal(
    found.map(({ sandboxId }) => sandboxId),
    [box.sandboxId],
  );
  equal(pages.hasNext, false);
});
await check('sandbox.getInfo', async () => {
  const info = await box.getInfo();
  equal([info.sandboxId, info.state, info.metadata.tag], [box.sandboxId, 'running', tag]);
});
await check('sandbox.setTimeout', async () => {
  await box.setTimeout(1_200_000);
  equal((await box.getInfo()).endAt.getTime() > Date.now() + 1_000_000, true);
});
await check('sandbox.isRunning', async () => equal(await box.isRunning(), true));

await check('commands.run', async () => {
  const { stdout, stderr, exitCode } = await box.commands.run('echo out; echo err >&2');
  equal([stdout, stderr, exitCode], ['out\n', 'err\n', 0]);
});
await check('commands.run: exit codes', async () => {
  for (const [command, code] of /** @type {const} */ ([
    ['exit 3', 3],
    ['no-such-command', 127],
  ])) {
    const error = await box.commands.run(command).catch((/** @type {unknown} */ thrown) => thrown);
    equal(error instanceof CommandExitError && error.exitCode, code);
  }
});
await check('commands.run: envs', async () => {
  const { stdout } = await box.commands.run('echo $GIVEN $FROM_CREATE', { envs: { GIVEN: 'now' } });
  equal(stdout, 'now yes\n');
});
await check('commands.run: cwd', async () =>
  equal((await box.commands.run('pwd', { cwd: '/tmp' })).stdout, '/tmp\n'),
);
await check('commands.run: user', async () => {
  equal((await box.commands.run('whoami; echo $HOME')).stdout, 'user\n/home/user\n');
  equal((await box.commands.run('whoami', { user: 'root' })).stdout, 'root\n');
});
await check('commands.run: timeout', async () => {
  const error = await box.commands
    .run('sleep 30', { timeoutMs: 500 })
    .catch((/** @type {unknown} */ thrown) => thrown);
  equal(/** @type {Error} */ (error).name, 'TimeoutError');
});
await check('commands.run: streamed output', async () => {
  /** @type {string[]} */
  const seen = [];
  await box.commands.run('for n in 1 2 3; do echo $n; sleep 0.1; done', {
    onStdout: (text) => void seen.push(text),
  });
  equal(seen.join(''), '1\n2\n3\n');
  equal(seen.length > 1, true);
});
await check('commands.run: background, wait', async () => {
  const handle = await box.commands.run('sleep 0.2; echo done', { background: true });
  equal((await handle.wait()).stdout, 'done\n');
});
await check('commands.list', async () => {
  const handle = await box.commands.run('sleep 60', { background: true });
  equal(
    (await box.commands.list()).some(({ pid }) => pid === handle.pid),
    true,
  );
  await handle.kill();
});
await check('commands.kill', async () => {
  const handle = await box.commands.run('sleep 60', { background: true });
  equal(await box.commands.kill(handle.pid), true);
  equal(await box.commands.kill(handle.pid + 100_000), false);
  await handle.wait().catch(() => {});
});
await check('commands.sendStdin, closeStdin', async () => {
  const handle = await box.commands.run('cat', { background: true, stdin: true });
  await box.commands.sendStdin(handle.pid, 'typed\n');
  await box.commands.closeStdin(handle.pid);
  equal((await handle.wait()).stdout, 'typed\n');
});
await check('commands.connect', async () => {
  const handle = await box.commands.run('sleep 0.5; echo late', { background: true });
  const again = await box.commands.connect(handle.pid);
  equal((await again.wait()).stdout, 'late\n');
});
await check('pty.create, sendInput, resize, kill', async () => {
  let seen = '';
  const onData = (/** @type {Uint8Array} */ data) => {
    seen += Buffer.from(data).toString();
  };
  const terminal = await box.pty.create({ cols: 80, rows: 24, onData });
  await box.pty.resize(terminal.pid, { cols: 100, rows: 30 });
  await box.pty.sendInput(terminal.pid, Buffer.from('echo size $(stty size)\n'));
  await eventually(async () => seen.includes('size 30 100'));
  equal(await box.pty.kill(terminal.pid), true);
});

await check('files.write, read', async () => {
  await box.files.write('notes/a.txt', 'text');
  equal(await box.files.read('notes/a.txt'), 'text');
  equal((await box.commands.run('cat ~/notes/a.txt; stat -c %U ~/notes/a.txt')).stdout, 'textuser\n');
});
await check('files.write: several', async () => {
  await box.files.write([
    { path: 'notes/b.txt', data: 'b' },
    { path: 'notes/c.txt', data: 'c' },
  ]);
  equal((await box.files.read('notes/b.txt')) + (await box.files.read('notes/c.txt')), 'bc');
});
await check('files.write, read: 10 MB of bytes', async () => {
  const bytes = randomBytes(10 * 1024 * 1024);
  await box.files.write('large.bin', new Blob([bytes]));
  equal(Buffer.from(await box.files.read('large.bin', { format: 'bytes' })).equals(bytes), true);
});
await check('files.list', async () => {
  const names = (await box.files.list('notes')).map(({ name }) => name).sort();
  equal(names, ['a.txt', 'b.txt', 'c.txt']);
});
await check('files.exists, getInfo', async () => {
  equal([await box.files.exists('notes/a.txt'), await box.files.exists('notes/none')], [true, false]);
  equal((await box.files.getInfo('notes/a.txt')).size, 4);
});
await check('files.makeDir', async () => {
  equal([await box.files.makeDir('made/deep'), await box.files.makeDir('made/deep')], [true, false]);
});
await check('files.rename', async () => {
  await box.files.rename('notes/c.txt', 'made/c.txt');
  equal(await box.files.read('made/c.txt'), 'c');
});
await check('files.remove', async () => {
  await box.files.remove('made');
  equal(await box.files.exists('made'), false);
});
await check('files.watchDir', async () => {
  /** @type {string[]} */
  const seen = [];
  const watch = await box.files.watchDir('notes', (event) => void seen.push(event.name));
  await box.files.write('notes/watched.txt', 'x');
  await eventually(async () => seen.includes('watched.txt'));
  await watch.stop();
});
await check('sandbox.uploadUrl, downloadUrl (signed)', async () => {
  const form = new FormData();
  form.set('file', new Blob(['uploaded']), 'up.txt');
  const sent = await fetch(await box.uploadUrl('up.txt'), { method: 'POST', body: form });
  equal(sent.status, 200);
  equal(await (await fetch(await box.downloadUrl('up.txt'))).text(), 'uploaded');
});

await box.commands.run(`python -c "${ECHO_HOST}"`, { background: true, timeoutMs: 0 });
await box.commands.run(`python -c "${EVENTS}"`, { background: true, timeoutMs: 0 });
await box.commands.run(`python -c "${WEBSOCKET}"`, { background: true, timeoutMs: 0 });
await check('getHost: 403 without the token, 200 with it', async () => {
  equal([(await ask(box, 8080)).status, (await ask(box, 8080, tokenOf(box))).status], [403, 200]);
  equal((await ask(box, 8080, tokenOf(box))).text, `${box.getHost(8080)} -`);
});
await check('getHost: a port where nothing listens is 502', async () => {
  equal((await ask(box, 9999, tokenOf(box))).status, 502);
});
await check('getHost: server-sent events', async () => {
  const response = await fetch(`https://${box.getHost(8081)}`, { headers: tokenOf(box) });
  const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
  const first = Buffer.from((await reader.read()).value ?? []).toString();
  equal(first, 'data: 0\n\n');
  await reader.cancel();
});
await check('getHost: WebSocket', async () => {
  const echoed = await new Promise((resolve, reject) => {
    const asked = request(`https://${box.getHost(8082)}`, {
      headers: {
        ...tokenOf(box),
        ...{ connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' },
        'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      },
    });
    asked.on('upgrade', (response, socket) => {
      socket.on('data', (/** @type {Buffer} */ data) => resolve(data.subarray(2).toString()));
      socket.write('hello');
      equal(response.headers['sec-websocket-accept'], 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
    });
    asked.on('response', ({ statusCode }) => reject(new Error(`refused with ${statusCode}`)));
    asked.on('error', reject);
    asked.end();
  });
  equal(echoed, 'hello');
});
await check('sandbox.updateNetwork', async () => {
  await box.updateNetwork({ denyOut: ['203.0.113.0/24'] });
  equal((await box.getInfo()).network.denyOut, ['203.0.113.0/24']);
  equal([(await ask(box, 8080)).status, (await ask(box, 8080, tokenOf(box))).status], [403, 200]);
});
await check('two sandboxes on one port, one public with maskRequestHost', async () => {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the mask's own placeholder.
  const other = await Sandbox.create({ network: { maskRequestHost: 'localhost:${PORT}' } });
  try {
    equal(other.trafficAccessToken, undefined);
    await other.commands.run(`python -c "${ECHO_HOST}"`, { background: true, timeoutMs: 0 });
    equal((await ask(other, 8080)).text, `localhost:8080 ${other.getHost(8080)}`);
    equal((await ask(box, 8080, tokenOf(box))).text, `${box.getHost(8080)} -`);
  } finally {
    await other.kill();
  }
});
await check('sandbox.pause, connect', async () => {
  await box.commands.run('echo kept > ~/kept');
  await box.pause();
  equal((await box.getInfo()).state, 'paused');
  equal((await ask(box, 8080, tokenOf(box))).status, 502);
  box = await Sandbox.connect(box.sandboxId);
  equal((await ask(box, 8080, tokenOf(box))).status, 200);
  equal(await box.files.read('kept'), 'kept\n');
});
await refused('sandbox.createSnapshot', () => box.createSnapshot());
await refused('sandbox.getMetrics', () => box.getMetrics());
await check('sandbox.kill', async () => {
  await box.kill();
  equal(await box.isRunning(), false);
  equal((await ask(box, 8080)).status, 502);
  equal(await Sandbox.kill(box.sandboxId), false);
});
process.exit(0);
