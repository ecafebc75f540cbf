/** An error whose message is shown as it is. */
export class MessageError extends Error {}

/** Return the message of an error as one line. Out-of-memory errors, which differ by browser, become one message. */
export function errorMessage(error) {
  const text = String(error?.message ?? error);
  if (error instanceof MessageError) return text;
  if (/memory|alloc|Aborted|out of bounds/i.test(text)) {
    return "The browser is out of memory: choose a smaller size, or close other tabs.";
  }
  return text.split("\n")[0];
}
