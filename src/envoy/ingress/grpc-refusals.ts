import type { Filter, Manager } from './bundled-parts.ts';

const API = 'type.googleapis.com/envoy';

/**
 * The bundled filter `grpc_refusals` for an Envoy with routes of its own: their names do not tell a gRPC client, so the
 * request does. It must be the first filter, to see the requests that the gate refuses. Requests of other content types skip it.
 */
export function grpcRefusalsFilter({ http_filters }: Manager): Filter {
  const { name, typed_config } = http_filters.find((filter) => filter.name === 'grpc_refusals')!;
  const lua = typed_config.extension_config!;
  const source = `${lua.typed_config.default_source_code.inline_string}\n${GRPC_CLIENT_BY_REQUEST}`;
  const extension_config = {
    ...lua,
    typed_config: { ...lua.typed_config, default_source_code: { inline_string: source } },
  };
  return { name, typed_config: { ...typed_config, xds_matcher: SKIP_OTHER_TYPES, extension_config } };
}

const GRPC_CLIENT_BY_REQUEST = `function envoy_on_request(handle)
  local headers = handle:headers()
  local is_grpc = headers:get("te") == "trailers" and headers:get("upgrade") == nil
  handle:streamInfo():dynamicMetadata():set("sandgate", "grpc_client", is_grpc)
end

function is_grpc_client(handle)
  local metadata = handle:streamInfo():dynamicMetadata():get("sandgate")
  return metadata ~= nil and metadata["grpc_client"] == true
end
`;

/** A prefix, as in Envoy's own test: a regular expression would not match bytes that are not UTF-8. */
const SKIP_OTHER_TYPES = {
  matcher_list: {
    matchers: [
      {
        predicate: {
          not_matcher: {
            single_predicate: {
              input: {
                name: 'type',
                typed_config: {
                  '@type': `${API}.type.matcher.v3.HttpRequestHeaderMatchInput`,
                  header_name: 'content-type',
                },
              },
              value_match: { prefix: 'application/grpc' },
            },
          },
        },
        on_match: {
          action: {
            name: 'skip',
            typed_config: { '@type': `${API}.extensions.filters.common.matcher.action.v3.SkipFilter` },
          },
        },
      },
    ],
  },
};
