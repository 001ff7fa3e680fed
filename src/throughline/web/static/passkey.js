// Passkeys: make one, sign in, approve an action. Each form names its two endpoints; without this script,
// or without passkeys in this browser, the page's other way (code app and recovery code) stays usable.
// The conversions are written out because many phone browsers lack parseCreationOptionsFromJSON.
"use strict";

const bytes = (text) =>
  Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (char) => char.charCodeAt(0));
const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");
const named = (list) => (list || []).map((one) => ({ ...one, id: bytes(one.id) }));

const ceremonies = {
  register: async (options) => {
    const made = await navigator.credentials.create({
      publicKey: {
        ...options,
        challenge: bytes(options.challenge),
        user: { ...options.user, id: bytes(options.user.id) },
        excludeCredentials: named(options.excludeCredentials),
      },
    });
    return shared(made, {
      attestationObject: text(made.response.attestationObject),
      transports: made.response.getTransports ? made.response.getTransports() : [],
    });
  },
  use: async (options) => {
    const used = await navigator.credentials.get({
      publicKey: {
        ...options,
        challenge: bytes(options.challenge),
        allowCredentials: named(options.allowCredentials),
      },
    });
    const owner = used.response.userHandle;
    return shared(used, {
      authenticatorData: text(used.response.authenticatorData),
      signature: text(used.response.signature),
      ...(owner ? { userHandle: text(owner) } : {}),
    });
  },
};

const shared = (credential, response) => ({
  id: credential.id,
  rawId: text(credential.rawId),
  type: credential.type,
  authenticatorAttachment: credential.authenticatorAttachment || null,
  clientExtensionResults: credential.getClientExtensionResults(),
  response: { clientDataJSON: text(credential.response.clientDataJSON), ...response },
});

const post = async (url, body) => {
  const answer = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json", "Idempotency-Key": crypto.randomUUID() },
    body: JSON.stringify(body),
    credentials: "same-origin",
  });
  const said = await answer.text();
  const document = said ? JSON.parse(said) : {};
  if (!answer.ok) throw new Error(document.detail || document.title || answer.statusText);
  return document;
};

for (const form of document.querySelectorAll("form[data-passkey]")) {
  const status = form.querySelector("[role=status]");
  if (!window.PublicKeyCredential) {
    status.textContent = form.dataset.unable;
    continue;
  }
  const button = form.querySelector("button");
  button.disabled = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    status.textContent = form.dataset.waiting;
    try {
      const begun = await post(form.dataset.begin, JSON.parse(form.dataset.body));
      const response = await ceremonies[form.dataset.passkey](begun.options);
      const done = await post(form.dataset.finish, { challenge_id: begun.challenge_id, response });
      const proof = form.querySelector("input[name=proof_id]");
      if (proof) {
        proof.value = done.id;
        form.submit();
      } else {
        location.assign(form.dataset.next);
      }
    } catch (error) {
      // NotAllowedError: the person closed the dialog or it timed out; anything else has a text of its own.
      status.textContent = error.name === "NotAllowedError" ? form.dataset.refused : error.message;
      button.disabled = false;
    }
  });
}
