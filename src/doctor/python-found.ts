import { toSandgateError } from '../errors.ts';
import { type Finding, ok, warn } from './finding.ts';

/** Python 3 and pip only fetch Envoy. `find` throws ENVOY_MISSING; `needed`: there is no Envoy yet. */
export async function checkPython(find: () => Promise<unknown>, needed: boolean): Promise<Finding> {
  try {
    await find();
    return ok('python', 'python3 with pip');
  } catch (error) {
    const { message, remedy } = toSandgateError(error);
    if (!needed) return ok('python', `${message}; not needed, Envoy is here`);
    return warn('python', message, remedy ?? 'install Python 3.10 or newer with pip');
  }
}
