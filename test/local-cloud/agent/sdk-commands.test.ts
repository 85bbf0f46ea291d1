import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../../stack/eventually.ts';
import { startSdkSandbox } from './stub-control-plane.ts';

describe("E2B's JavaScript SDK 2.51.0, unmodified: commands", () => {
  let stack: Awaited<ReturnType<typeof startSdkSandbox>>;
  beforeAll(async () => {
    stack = await startSdkSandbox('2.51.0');
  });
  afterAll(() => stack.stop());

  it('runs a command in the foreground with its output and exit code', async () => {
    const ran = await stack.sandbox.commands.run('echo out; echo err >&2');
    expect(ran).toMatchObject({ exitCode: 0, stdout: 'out\n', stderr: 'err\n' });
  });

  it('throws the exit code of a command that fails, 127 for one that does not exist', async () => {
    const { CommandExitError } = stack.sdk;
    await expect(stack.sandbox.commands.run('exit 3')).rejects.toMatchObject({ exitCode: 3 });
    const missing = stack.sandbox.commands.run('no-such-command-here');
    await expect(missing).rejects.toBeInstanceOf(CommandExitError);
    await expect(missing).rejects.toMatchObject({ exitCode: 127 });
  });

  it('streams output while the command runs', async () => {
    const seen: string[] = [];
    const command = await stack.sandbox.commands.run('echo one; read line; echo "two $line"', {
      background: true,
      stdin: true,
      onStdout: (text: string) => seen.push(text),
    });
    await eventually(() => expect(seen.join('')).toBe('one\n'));
    await stack.sandbox.commands.sendStdin(command.pid, 'answer\n');
    expect((await command.wait()).stdout).toBe('one\ntwo answer\n');
  });

  it('ends the input of a command', async () => {
    const command = await stack.sandbox.commands.run('cat; echo done', { background: true, stdin: true });
    await stack.sandbox.commands.sendStdin(command.pid, 'text\n');
    await stack.sandbox.commands.closeStdin(command.pid);
    expect((await command.wait()).stdout).toBe('text\ndone\n');
  });

  it('kills a command and what it started, once', async () => {
    const command = await stack.sandbox.commands.run('sleep 1234; true', { background: true });
    const failed = expect(command.wait()).rejects.toMatchObject({ exitCode: -1, error: 'signal: killed' });
    expect(await stack.sandbox.commands.kill(command.pid)).toBe(true);
    expect(await stack.sandbox.commands.list()).toEqual([]);
    await failed;
    expect(await stack.sandbox.commands.kill(command.pid)).toBe(false);
    const left = await stack.sandbox.commands.run("pgrep -f '[s]leep 1234' || true");
    expect(left.stdout).toBe('');
  });

  it('lists a running command and connects to it, even after the first stream has ended', async () => {
    const command = await stack.sandbox.commands.run('read line; echo "got $line"', {
      background: true,
      stdin: true,
    });
    const listed = await stack.sandbox.commands.list();
    expect(listed).toContainEqual(
      expect.objectContaining({ pid: command.pid, cmd: '/bin/bash', args: expect.arrayContaining(['-c']) }),
    );
    await command.disconnect();
    const again = await stack.sandbox.commands.connect(command.pid);
    await stack.sandbox.commands.sendStdin(command.pid, 'x\n');
    expect((await again.wait()).stdout).toBe('got x\n');
    expect((await stack.sandbox.commands.list()).map((item: { pid: number }) => item.pid)).not.toContain(
      command.pid,
    );
  });

  it('passes variables and the folder, and nothing of the agent’s own environment', async () => {
    const ran = await stack.sandbox.commands.run('echo "$GREETING $PWD $HOME $USER"; env', {
      envs: { GREETING: 'hello' },
      cwd: '/usr',
    });
    expect(ran.stdout.split('\n')[0]).toBe(`hello /usr ${stack.agent.home} user`);
    expect(ran.stdout).not.toContain('SANDGATE_AGENT_TEST_SECRET');
  });

  it('refuses a folder that does not exist', async () => {
    await expect(stack.sandbox.commands.run('true', { cwd: '/no/such' })).rejects.toThrow(
      "cwd '/no/such' does not exist",
    );
  });

  it('ends a command at its timeout', async () => {
    const { TimeoutError } = stack.sdk;
    await expect(stack.sandbox.commands.run('exec sleep 4321', { timeoutMs: 300 })).rejects.toBeInstanceOf(
      TimeoutError,
    );
    await eventually(async () => {
      const left = await stack.sandbox.commands.run("pgrep -f '[s]leep 4321' || true");
      expect(left.stdout).toBe('');
    });
  });

  it('loses nothing of a large output', async () => {
    const ran = await stack.sandbox.commands.run(
      "head -c 5000000 /dev/zero | tr '\\0' x; echo; echo end >&2",
    );
    expect(ran.stdout.length).toBe(5_000_001);
    expect(ran.stderr).toBe('end\n');
  });

  it('refuses an unknown user', async () => {
    await expect(stack.sandbox.commands.run('true', { user: 'nobody-of-that-name' })).rejects.toThrow(
      "invalid username: 'nobody-of-that-name'",
    );
  });

  it('drives a terminal: input, size, exit', async () => {
    let seen = '';
    const terminal = await stack.sandbox.pty.create({
      cols: 81,
      rows: 24,
      onData: (data: Uint8Array) => {
        seen += Buffer.from(data).toString('utf8');
      },
      timeoutMs: 0,
    });
    const type = (text: string) => stack.sandbox.pty.sendInput(terminal.pid, Buffer.from(text));
    await type('stty size\n');
    await eventually(() => expect(seen).toContain('24 81'));
    await stack.sandbox.pty.resize(terminal.pid, { cols: 100, rows: 30 });
    await type('stty size; test -t 0 && echo a-$((40+2))-terminal\n');
    await eventually(() => expect(seen).toMatch(/30 100[\s\S]*a-42-terminal/));
    await type('exit 7\n');
    await expect(terminal.wait()).rejects.toMatchObject({ exitCode: 7 });
  });

  it('kills a terminal', async () => {
    const terminal = await stack.sandbox.pty.create({ cols: 80, rows: 24, onData: () => {} });
    const ended = expect(terminal.wait()).rejects.toMatchObject({ exitCode: -1 });
    expect(await stack.sandbox.pty.kill(terminal.pid)).toBe(true);
    await ended;
  });

  it('knows that the sandbox runs', async () => {
    expect(await stack.sandbox.isRunning()).toBe(true);
  });
});
