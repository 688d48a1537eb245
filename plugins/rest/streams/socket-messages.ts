import type { DescMessage, JsonObject } from '@bufbuild/protobuf';
import { badRequest } from '../errors.ts';
import { isObject } from '../fields.ts';
import { parseJson } from '../json.ts';

/** The version of what follows. */
export const PROTOCOL = 'tracker.v1';

const MAX_ID = 128;

/** What a client sends over a WebSocket. Subscriptions are told apart by ids that the client gives them. */
export type SocketRequest =
  | { readonly type: 'subscribe'; readonly id: string; readonly request: JsonObject }
  | { readonly type: 'unsubscribe'; readonly id: string };

/** Throws GatewayError for what is no such message. `input` is what the route takes as `request`. */
export function readSocketRequest(data: Buffer, input: DescMessage): SocketRequest {
  const json = parseJson(data, input);
  if (!isObject(json)) throw bad('is no JSON object');
  const { type, id, request = {}, ...others } = json;
  const [other] = Object.keys(others);
  if (other !== undefined) throw bad(`has nothing but type, id and request, and not '${other}'`);
  if (typeof id !== 'string' || id === '' || id.length > MAX_ID) throw bad(`needs an id of 1 to ${MAX_ID} characters`);
  if (type === 'unsubscribe' && json['request'] === undefined) return { type, id };
  if (type !== 'subscribe') throw bad("is of the type 'subscribe', or 'unsubscribe' without a request");
  if (!isObject(request)) throw bad('has a request that is no JSON object');
  return { type, id, request };
}

function bad(what: string) {
  return badRequest('INVALID_SOCKET_MESSAGE', `a message ${what}`);
}

/** What the server sends. `json` is a message, `error` the body of an AIP-193 answer. */
export const socketMessage = {
  next: (id: string, json: string) => `{"type":"next","id":${JSON.stringify(id)},"message":${json}}`,
  error: (id: string, error: string) => `{"type":"error","id":${JSON.stringify(id)},${error.slice(1)}`,
  complete: (id: string) => `{"type":"complete","id":${JSON.stringify(id)}}`,
};
