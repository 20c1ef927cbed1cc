/**
 * Waits for work, but not for ever.
 *
 * @throws what the work throws, and Error with the message when it has not settled in time. What becomes of it then is of no interest.
 */
export async function inTime<T>(work: Promise<T>, timeoutMs: number, message: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(message)), timeoutMs);
  });
  try {
    return await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
