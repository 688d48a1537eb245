/** It may mean anything. */
export const SILENCE = 'it does not answer';

/** What the network and TLS say by a code, and Kafka by the name of an error, in words for the operator. */
const CODES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there; start it, or set KAFKA_BROKERS',
  ENOTFOUND: 'its host is not known; set KAFKA_BROKERS',
  EAI_AGAIN: 'its host cannot be looked up now',
  EHOSTUNREACH: 'there is no way to its host',
  ENETUNREACH: 'there is no way to its host',
  ETIMEDOUT: SILENCE,
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another host; set KAFKA_BROKERS to the name in it',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  UNSUPPORTED_SASL_MECHANISM: 'it does not know this way to say who one is; set KAFKA_SASL_MECHANISM',
  ILLEGAL_SASL_STATE: 'it asks nobody there who he is; set KAFKA_SASL_MECHANISM to none, or KAFKA_BROKERS',
  INVALID_REPLICATION_FACTOR: 'it has too few brokers for the copies of a topic; set KAFKA_REPLICATION_FACTOR',
  TOPIC_AUTHORIZATION_FAILED: 'the user may not use its topics; let it create, describe, read and write them',
  GROUP_AUTHORIZATION_FAILED: 'the user may not be in its groups; let it read those that begin with the prefix',
  CLUSTER_AUTHORIZATION_FAILED:
    'the user may not do this in the cluster; let it write idempotently, or make the topics',
};

/** What kafkajs and TLS say in words. */
const SAYINGS: readonly (readonly [pattern: RegExp, words: string])[] = [
  [
    /authentication failed/i,
    'it refuses the user or the password; set KAFKA_SASL_USERNAME, and KAFKA_SASL_PASSWORD or KAFKA_SASL_PASSWORD_FILE',
  ],
  [
    /self.signed|unable to (get|verify)/i,
    "its certificate is not of a known authority; set KAFKA_SSL_CA to the authority's certificate",
  ],
  [/before secure TLS|wrong version number/, 'it does not speak TLS there; set KAFKA_SSL to off, or KAFKA_BROKERS'],
  // A broker says no more to those who speak without TLS where it does, or do not say who they are.
  [
    /closed connection/i,
    'it closed the connection; where it asks for TLS or a name, set KAFKA_SSL or KAFKA_SASL_MECHANISM',
  ],
  [/timeout|timed out/i, SILENCE],
];

/**
 * What is wrong, for the log and the health. Never what kafkajs wrote itself, which may hold hosts and names: where there are
 * no words for it, its name in Kafka's protocol, its code or its kind.
 */
export function faultOf(error: unknown): string {
  const chain: Error[] = [];
  for (let one = error; one instanceof Error && chain.length < 10; one = one.cause ?? firstOf(one)) chain.push(one);
  const names = (chain as readonly Named[])
    .flatMap(({ type, code }) => [type, code])
    .filter((name) => name !== undefined);
  const known = names.map((name) => CODES[String(name)]).find((words) => words !== undefined);
  if (known) return known;
  const top = chain.find((one) => firstOf(one) === undefined);
  const text = top?.message ?? String(error);
  const said = SAYINGS.find(([pattern]) => pattern.test(text))?.[1];
  if (said) return said;
  return top?.name.startsWith('KafkaJS') ? `it cannot be used (${names[0] ?? top.name})` : text;
}

interface Named {
  readonly type?: unknown;
  readonly code?: unknown;
}

/** Of several topics each has its own error; together they say nothing. */
function firstOf(error: Error): unknown {
  return 'errors' in error && Array.isArray(error.errors) ? error.errors[0] : undefined;
}
