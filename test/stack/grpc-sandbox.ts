import { readFileSync } from 'node:fs';
import * as grpc from '@grpc/grpc-js';
import type { Address } from '../../src/address.ts';
import type { ServerTls } from './recorder.ts';

const raw = (bytes: Buffer): Buffer => bytes;

function method(name: string, requestStream: boolean, responseStream: boolean) {
  return {
    path: `/test.Echo/${name}`,
    requestStream,
    responseStream,
    requestSerialize: raw,
    requestDeserialize: raw,
    responseSerialize: raw,
    responseDeserialize: raw,
  };
}

/** Every kind of call; messages are plain bytes. */
const ECHO = {
  unary: method('unary', false, false),
  download: method('download', false, true),
  upload: method('upload', true, false),
  chat: method('chat', true, true),
};

const ANY_SIZE = { 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 };

/** A real gRPC server, as one in a sandbox. */
export interface GrpcSandbox {
  port: number;
  /** Metadata of the calls that arrived. */
  calls: grpc.Metadata[];
  /** Resolves when a call that never answers has been cancelled. */
  cancelled: Promise<void>;
  close(): void;
}

export async function startGrpcSandbox(port = 0, host = '127.0.0.1', tls?: ServerTls): Promise<GrpcSandbox> {
  const calls: grpc.Metadata[] = [];
  const server = new grpc.Server(ANY_SIZE);
  let cancel: () => void = () => {};
  const cancelled = new Promise<void>((resolve) => {
    cancel = resolve;
  });
  const trailers = new grpc.Metadata();
  trailers.set('x-trailer', 'kept');
  server.addService(ECHO, {
    unary(call: grpc.ServerUnaryCall<Buffer, Buffer>, answer: grpc.sendUnaryData<Buffer>) {
      calls.push(call.metadata);
      const text = call.request.subarray(0, 16).toString();
      if (text === 'fail')
        return answer({ code: grpc.status.ABORTED, details: 'own words', metadata: trailers });
      if (text === 'hang') return void call.on('cancelled', cancel);
      answer(null, call.request, trailers);
    },
    download(call: grpc.ServerWritableStream<Buffer, Buffer>) {
      for (let n = 0; n < 3; n++) call.write(Buffer.from(`part ${n}`));
      call.end();
    },
    upload(call: grpc.ServerReadableStream<Buffer, Buffer>, answer: grpc.sendUnaryData<Buffer>) {
      let bytes = 0;
      call.on('data', (part: Buffer) => {
        bytes += part.length;
      });
      call.on('end', () => answer(null, Buffer.from(String(bytes))));
    },
    chat(call: grpc.ServerDuplexStream<Buffer, Buffer>) {
      call.on('data', (part: Buffer) => call.write(part));
      call.on('end', () => call.end());
    },
  });
  const bound = await new Promise<number>((resolve, reject) => {
    const credentials = tls
      ? grpc.ServerCredentials.createSsl(null, [{ cert_chain: tls.cert, private_key: tls.key }])
      : grpc.ServerCredentials.createInsecure();
    server.bindAsync(`${host}:${port}`, credentials, (error, at) => (error ? reject(error) : resolve(at)));
  });
  return { port: bound, calls, cancelled, close: () => server.forceShutdown() };
}

/** How a call ended. */
export interface Outcome {
  code: grpc.status;
  details: string;
  messages: string[];
  /** Trailers of the answer; of a refusal, its headers. */
  trailers: grpc.MetadataValue[];
  metadata: grpc.Metadata;
}

/** A real gRPC client over TLS. */
export interface GrpcClient {
  unary(
    message: string | Buffer,
    options?: grpc.CallOptions & { cancel?: Promise<unknown> },
  ): Promise<Outcome>;
  download(): Promise<Outcome>;
  upload(parts: readonly Buffer[]): Promise<Outcome>;
  /** Sends each message after the answer to the one before it. */
  chat(messages: readonly string[]): Promise<Outcome>;
  close(): void;
}

export function openGrpcClient(ingress: Address, ca: string, host: string, token?: string): GrpcClient {
  const Client = grpc.makeClientConstructor(ECHO, 'Echo');
  const client = new Client(`${ingress.host}:${ingress.port}`, grpc.credentials.createSsl(readFileSync(ca)), {
    ...ANY_SIZE,
    'grpc.ssl_target_name_override': host,
    'grpc.default_authority': host,
  }) as unknown as {
    unary(
      message: Buffer,
      metadata: grpc.Metadata,
      options: grpc.CallOptions,
      done: () => void,
    ): grpc.ClientUnaryCall;
    download(message: Buffer, metadata: grpc.Metadata): grpc.ClientReadableStream<Buffer>;
    upload(metadata: grpc.Metadata, done: () => void): grpc.ClientWritableStream<Buffer>;
    chat(metadata: grpc.Metadata): grpc.ClientDuplexStream<Buffer, Buffer>;
    close(): void;
  };
  const metadata = () => {
    const sent = new grpc.Metadata();
    if (token !== undefined) sent.set('e2b-traffic-access-token', token);
    return sent;
  };
  const outcome = (call: NodeJS.EventEmitter, messages: string[]) =>
    new Promise<Outcome>((resolve) => {
      call.on('error', () => {});
      call.on('status', ({ code, details, metadata: got }: grpc.StatusObject) =>
        resolve({ code, details, messages, trailers: got.get('x-trailer'), metadata: got }),
      );
    });
  return {
    async unary(message, { cancel, ...options } = {}) {
      const messages: string[] = [];
      const done = (_error?: unknown, answer?: Buffer) => {
        if (answer) messages.push(answer.length > 100 ? `${answer.length} bytes` : answer.toString());
      };
      const call = client.unary(Buffer.from(message), metadata(), options, done);
      void cancel?.then(() => call.cancel());
      return outcome(call, messages);
    },
    download() {
      const messages: string[] = [];
      const call = client.download(Buffer.alloc(0), metadata());
      call.on('data', (part: Buffer) => messages.push(part.toString()));
      return outcome(call, messages);
    },
    upload(parts) {
      const messages: string[] = [];
      const done = (_error?: unknown, answer?: Buffer) => answer && messages.push(answer.toString());
      const call = client.upload(metadata(), done as () => void);
      for (const part of parts) call.write(part);
      call.end();
      return outcome(call, messages);
    },
    chat(texts) {
      const messages: string[] = [];
      const call = client.chat(metadata());
      const next = () =>
        messages.length < texts.length ? call.write(Buffer.from(texts[messages.length]!)) : call.end();
      call.on('data', (part: Buffer) => {
        messages.push(part.toString());
        next();
      });
      next();
      return outcome(call, messages);
    },
    close: () => client.close(),
  };
}
