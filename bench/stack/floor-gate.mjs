// The floor: the cost of grpc-js itself. Every Check gets the same bytes, and the request is not decoded.
// usage: node bench/stack/floor-gate.mjs <socket> <hex of a CheckResponse>
import { Server, ServerCredentials } from '@grpc/grpc-js';

const [socket = '', hex = ''] = process.argv.slice(2);
const SERVING = Buffer.from([0x08, 0x01]);
const server = new Server();

/** @param {string} path @param {Buffer} answer */
function answerWith(path, answer) {
  const asIs = (/** @type {Buffer} */ bytes) => bytes;
  const definition = {
    Call: {
      path,
      requestStream: false,
      responseStream: false,
      requestSerialize: asIs,
      requestDeserialize: asIs,
      responseSerialize: asIs,
      responseDeserialize: asIs,
    },
  };
  /** @type {import('@grpc/grpc-js').handleUnaryCall<Buffer, Buffer>} */
  const handler = (_call, callback) => callback(null, answer);
  server.addService(definition, { Call: handler });
}

answerWith('/envoy.service.auth.v3.Authorization/Check', Buffer.from(hex, 'hex'));
answerWith('/grpc.health.v1.Health/Check', SERVING);
server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) => {
  if (error) throw error;
  console.log('sandgate ready: the floor');
});
