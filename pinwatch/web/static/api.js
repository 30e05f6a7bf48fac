// Requests to the HTTP API.

export class NoAnswer extends Error {}

// Returns the JSON at path; throws NoAnswer if there is none.
export async function get(path) {
  const response = await fetch(path).catch(() => null);
  if (!response?.ok) throw new NoAnswer(`${path}: ${response?.status ?? "no response"}`);
  return response.json().catch(() => { throw new NoAnswer(`${path}: incomplete`); });
}

// Passes as a handler to catch: without an answer, value stands for it.
export function without(value) {
  return (error) => {
    if (error instanceof NoAnswer) return value;
    throw error;
  };
}
