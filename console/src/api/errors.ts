/** What a server answered instead of a result. `code` is the name that the API documents, such as ConflictException. */
export class ApiError extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly status: number,
    /** The id under which the server's log and audit have the call; empty if no server answered. */
    readonly requestId = '',
  ) {
    super(message);
    this.name = code;
  }
}

/** One sentence for a person, whatever was thrown. */
export function sentenceOf(error: unknown): string {
  if (error instanceof ApiError) return error.message || error.code;
  return error instanceof Error ? error.message : String(error);
}

export const isNotFound = (error: unknown) => error instanceof ApiError && error.status === 404;
export const isDenied = (error: unknown) => error instanceof ApiError && error.status === 403;
