import type { ServiceContribution } from '../../core/contracts/api.ts';
import type { Contribution } from '../../core/kernel/index.ts';
import { mergeDescriptors } from './descriptors.ts';
import { bindMethods } from './methods.ts';
import type { Services } from './pipeline.ts';
import { RequestReader } from './request.ts';

/** Puts the contributed services together, and throws an Error with a sentence for each thing wrong with them. */
export function assemble(contributions: readonly Contribution<ServiceContribution>[]): Services {
  const { registry, bytes } = mergeDescriptors(
    contributions.map(({ plugin, value }) => ({ plugin, descriptors: value.descriptors })),
  );
  const methods = bindMethods(contributions, registry);
  const requests = new RequestReader(registry);
  // About 70 ms for 40 methods; without it the first calls pay, and a broken rule shows only then.
  for (const { path, plugin, descriptor } of methods.values())
    try {
      requests.warmUp(descriptor.input);
    } catch (cause) {
      throw new Error(
        `plugin '${plugin}': ${path}: the rules of ${descriptor.input.typeName} cannot be compiled: ${cause}`,
        { cause },
      );
    }
  return { methods, registry, descriptors: bytes, requests };
}
