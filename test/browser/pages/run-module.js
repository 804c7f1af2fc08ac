/** Imports a job and calls it. */
export async function runModule(url, argument) {
  const { default: job } = await import(url);
  return job(argument);
}
