import { z } from 'zod';
import { corsSettings } from './cors.ts';

const milliseconds = z.number().int().min(1).max(3_600_000);
const bytes = z.number().int().max(67_108_864);

/** What the plugin is configured with. docs/reference/limits.md is tested against it. */
export const settings = z
  .strictObject({
    host: z.string().min(1).optional(),
    port: z.number().int().min(0).max(65_535).default(8080),
    maxBodyBytes: bytes.min(1024).default(1_048_576),
    /** Request line and headers. */
    maxHeaderBytes: bytes.min(1024).max(1_048_576).default(16_384),
    /** For the headers of a request, and for all of it, to arrive. */
    headersTimeoutMs: milliseconds.default(10_000),
    requestTimeoutMs: milliseconds.default(60_000),
    /** Between two requests; above the idle time of the usual load balancers (60 s), so that they close first. */
    keepAliveTimeoutMs: milliseconds.default(65_000),
    /** How long a caller may take nothing of an answer that is ready. */
    stalledAnswerMs: milliseconds.default(60_000),
    /** Further ones are closed as they come. */
    maxConnections: z.number().int().min(1).default(10_000),
    /** How long a stream is quiet until it gets a sign of life; a WebSocket that gives none back for as long is cut. */
    heartbeatMs: milliseconds.default(15_000),
    /** Of one WebSocket. */
    maxSubscriptions: z.number().int().min(1).max(10_000).default(100),
    /** Of one message that comes over a WebSocket. */
    maxSocketMessageBytes: bytes.min(1024).max(1_048_576).default(65_536),
    idleGraceMs: z.number().int().min(0).max(60_000).default(500),
    gzip: z.boolean().default(true),
    /** Smaller answers are not compressed. */
    gzipMinBytes: bytes.min(0).default(1024),
    /** Absent: no page of another origin may read an answer or change anything. */
    cors: corsSettings.optional(),
  })
  .refine(({ headersTimeoutMs, requestTimeoutMs }) => headersTimeoutMs <= requestTimeoutMs, {
    path: ['headersTimeoutMs'],
    message: 'must be at most requestTimeoutMs',
  });
