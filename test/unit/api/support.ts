import { mock } from 'node:test';
import {
  type Api,
  type ApiMethod,
  api,
  apiServices,
  CallError,
  type CallOrigin,
  type ServiceContribution,
} from '../../../core/contracts/api.ts';
import { boot, definePlugin, inline, type Plugin, type Running } from '../../../core/kernel/index.ts';
import apiPlugin from '../../../plugins/api/plugin.ts';
import { BadRequest, ErrorInfo, RetryInfo } from '../../../proto/gen/google/rpc/error_details.ts';
import { Status } from '../../../proto/gen/google/rpc/status.ts';
import { type EchoHandlers, echoService } from '../../fixtures/echo/echo.ts';
import { recorder } from '../../kernel/support.ts';

export const ECHO = '/echopb.EchoService/Echo';
export const COUNT = '/echopb.EchoService/Count';

/** A plugin that contributes services and does nothing else. */
export function contributor(name: string, ...services: ServiceContribution[]): Plugin {
  return definePlugin({
    name,
    kernel: '^1.0.0',
    contributes: { apiServices },
    setup({ contribute }) {
      contribute.apiServices(...services);
      return {};
    },
  });
}

export interface Booted {
  readonly running: Running;
  readonly api: Api;
  readonly lines: ReturnType<typeof recorder>['lines'];
  method(path: string): ApiMethod;
}

/** The api plugin with the given plugins, booted by the kernel. */
export async function bootWith(plugins: readonly Plugin[], config: object = {}): Promise<Booted> {
  const { log, lines } = recorder();
  const entries = [inline(apiPlugin, { ...config }), ...plugins.map((plugin) => inline(plugin))];
  const running = await boot({ entries, log });
  const found = running.service(api);
  const method = (path: string) => {
    const one = found.methods.get(path);
    if (one === undefined) throw new Error(`no method ${path}`);
    return one;
  };
  return { running, api: found, lines, method };
}

export function bootEcho(handlers: Partial<EchoHandlers> = {}, config: object = {}): Promise<Booted> {
  return bootWith([contributor('echo', echoService(handlers))], config);
}

export function origin(parts: Partial<CallOrigin> = {}): CallOrigin {
  return { signal: new AbortController().signal, header: () => undefined, ...parts };
}

/** The CallError that a call ends with. */
export async function failure(attempt: Promise<unknown>): Promise<CallError> {
  try {
    await attempt;
  } catch (error) {
    if (error instanceof CallError) return error;
    throw error;
  }
  throw new Error('expected the call to fail');
}

export function decodeStatus(bytes: Uint8Array) {
  const { code, message, details } = Status.decode(bytes);
  const find = <T>(type: string, { decode }: { decode(bytes: Uint8Array): T }): T | undefined => {
    const any = details.find(({ typeUrl }) => typeUrl === `type.googleapis.com/google.rpc.${type}`);
    return any === undefined ? undefined : decode(any.value);
  };
  return {
    code,
    message,
    info: find('ErrorInfo', ErrorInfo),
    violations: find('BadRequest', BadRequest)?.fieldViolations ?? [],
    retry: find('RetryInfo', RetryInfo)?.retryDelay,
  };
}

/** From now on the system's time stands still, and no timer fires. Returns it, in milliseconds. */
export function stopTime(): number {
  mock.timers.enable({ apis: ['Date', 'setTimeout'], now: Date.now() });
  return Date.now();
}

/** So many milliseconds pass at once, with the timers that are due; then time goes on by itself. */
export function resumeTime(passed = 0): void {
  if (passed > 0) mock.timers.tick(passed);
  mock.timers.reset();
}

/** Settled when every promise callback that is due has run. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
