import { SandgateError } from '../errors.ts';
import { sandboxIdSchema } from './record.ts';

/** The one SANDBOX_UNKNOWN. What cannot be an id is not repeated: it may be a token in the wrong place. */
export function sandboxUnknown(sandboxId: string): SandgateError {
  const isId = sandboxIdSchema.safeParse(sandboxId).success;
  return new SandgateError('SANDBOX_UNKNOWN', `There is no policy for ${isId ? sandboxId : 'that id'}.`, {
    field: 'sandboxId',
    ...(!isId && { remedy: 'An id is 1 to 63 of a-z, 0-9; see `sandgate policy list`.' }),
  });
}
