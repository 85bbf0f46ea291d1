/**
 * Field numbers of the protobuf messages that the gate reads and writes, by message and field. A test compares them
 * with `proto/`. Take them apart once, at the top of a module, so that no request looks one up.
 */
export const FIELDS = {
  CheckRequest: { attributes: 1 },
  AttributeContext: { source: 1, request: 4 },
  'AttributeContext.Peer': { address: 1 },
  Address: { socket_address: 1 },
  SocketAddress: { address: 2 },
  'AttributeContext.Request': { http: 2 },
  'AttributeContext.HttpRequest': { method: 2, headers: 3, path: 4, host: 5, scheme: 6, header_map: 13 },
  HeaderMap: { headers: 1 },
  /** An entry of the map `HttpRequest.headers` has the same `key` and `value`. */
  HeaderValue: { key: 1, value: 2, raw_value: 3 },
  HeaderValueOption: { header: 1, append: 2 },
  CheckResponse: { status: 1, denied_response: 2, ok_response: 3, dynamic_metadata: 4 },
  OkHttpResponse: { headers: 2, headers_to_remove: 5, response_headers_to_add: 6 },
  DeniedHttpResponse: { status: 1, headers: 2, body: 3 },
  HttpStatus: { code: 1 },
  'google.rpc.Status': { code: 1 },
  'google.protobuf.BoolValue': { value: 1 },
  'google.protobuf.Struct': { fields: 1 },
  /** An entry of any map; `Struct.fields` is one. */
  MapEntry: { key: 1, value: 2 },
  'google.protobuf.Value': { number_value: 2, string_value: 3, bool_value: 4 },
} as const;
