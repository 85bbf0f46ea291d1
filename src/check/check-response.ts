import { loadSync, type ServiceDefinition } from '@grpc/proto-loader';
import { SandgateError } from '../errors.ts';
import { PACKAGE_ROOT } from '../package-root.ts';

/** A CheckResponse as protobuf.js reads it, without absent fields. */
export interface Decoded {
  status?: { code?: number };
  denied_response?: { status?: { code?: number }; headers?: HeaderOption[]; body?: string };
  ok_response?: {
    headers?: HeaderOption[];
    headers_to_remove?: string[];
    response_headers_to_add?: HeaderOption[];
  };
  error_response?: unknown;
  dynamic_metadata?: { fields?: Record<string, unknown> };
}

export interface HeaderOption {
  header: { key?: string; value?: string };
  append: { value?: boolean };
}

/** Makes a decoder that shares no code with the encoder. Throws ANSWER_INVALID if `proto/` is incomplete. */
export function checkResponseDecoder(): (bytes: Buffer) => Decoded {
  const files = loadSync('envoy/service/auth/v3/external_auth.proto', {
    includeDirs: [`${PACKAGE_ROOT}proto`],
    keepCase: true,
  });
  const service = files['envoy.service.auth.v3.Authorization'] as ServiceDefinition;
  const decode = service.Check?.responseDeserialize;
  if (decode === undefined) throw new SandgateError('ANSWER_INVALID', 'proto/ has no Authorization service');
  return (bytes) => decode(bytes) as Decoded;
}
