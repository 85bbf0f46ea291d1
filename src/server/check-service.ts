import { type ServerUnaryCall, type ServiceDefinition, type sendUnaryData, status } from '@grpc/grpc-js';
import type { CheckHandler } from '../check/transport.ts';

export const CHECK_SERVICE = 'envoy.service.auth.v3.Authorization';

const raw = (bytes: Buffer): Buffer => bytes;

/** Bytes in, bytes out: decoding and encoding are the handler's own. */
export const checkDefinition: ServiceDefinition = {
  Check: {
    path: `/${CHECK_SERVICE}/Check`,
    requestStream: false,
    responseStream: false,
    requestSerialize: raw,
    requestDeserialize: raw,
    responseSerialize: raw,
    responseDeserialize: raw,
  },
};

/** Puts a `CheckHandler` behind gRPC. A rejection that escaped here would end the process, so none does. */
export function checkImplementation(handler: CheckHandler) {
  return {
    Check(call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>): void {
      const refuse = () => callback({ code: status.INVALID_ARGUMENT, details: 'not a CheckRequest' });
      let answer: Buffer | Promise<Buffer>;
      try {
        answer = handler(call.request, Number(call.getDeadline()));
      } catch {
        // Outside of this try nothing calls back: a second call would leave the client without a status.
        refuse();
        return;
      }
      if (Buffer.isBuffer(answer)) callback(null, answer);
      else answer.then((bytes) => callback(null, bytes), refuse);
    },
  };
}
