// What the server is asked, with the token if it wants one.

const TOKEN = "lockstep.token";

class TokenNeeded extends Error {}

async function ask(path, options = {}) {
  const token = sessionStorage.getItem(TOKEN);
  const headers = new Headers(options.headers);
  try {
    if (token !== null) headers.set("authorization", `Bearer ${token}`);
  } catch {
    askForToken("A token has no such characters.");
    throw new TokenNeeded();
  }
  const response = await fetch(path, { ...options, headers, cache: "no-store" });
  if (response.status === 401) {
    askForToken(token === null ? "" : "The server does not know this token.");
    throw new TokenNeeded();
  }
  return response;
}

// Integers that JavaScript's numbers cannot hold are kept to the last digit.
function parse(text) {
  return JSON.parse(text, (_, value, context) =>
    Number.isInteger(value) && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source ?? "")
      ? BigInt(context.source)
      : value,
  );
}

async function told(response) {
  const text = await response.text();
  try {
    return parse(text);
  } catch {
    return { message: `The server answered ${response.status} with something other than JSON.` };
  }
}

function askForToken(error) {
  clearTimeout(state.timer);
  by("ask-error").textContent = error;
  if (!by("ask").open) by("ask").showModal();
}

by("ask").addEventListener("cancel", (event) => event.preventDefault());
by("ask-form").addEventListener("submit", () => {
  sessionStorage.setItem(TOKEN, by("token").value);
  by("token").value = "";
  refresh();
});
by("forget").addEventListener("click", () => {
  sessionStorage.removeItem(TOKEN);
  location.reload();
});
