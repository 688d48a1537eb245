/**
 * What a test needs of the machine, or the test is skipped and the log says how to get it. With REQUIRE_SERVICES=1 it
 * fails instead.
 */
export async function need<T>(
  context: Mocha.Context,
  what: string,
  how: string,
  find: () => Promise<T | undefined>,
): Promise<T> {
  const found = await find();
  if (found !== undefined) return found;
  if (process.env['REQUIRE_SERVICES']) throw new Error(`there is no ${what}, and REQUIRE_SERVICES asks for it: ${how}`);
  console.log(`    SKIPPED: there is no ${what} (${how})`);
  return context.skip();
}
