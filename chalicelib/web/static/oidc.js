/** Signing in at an OIDC issuer: authorization code flow with PKCE (RFC 7636), in the window of the page. */

import { restore } from "./address.js"
import { config } from "./config.js"
import * as oauth from "./oauth4webapi.js"
import { signIn } from "./session.js"
import { check, subject } from "./sign-in.js"
import { storage } from "./storage.js"

/** What is kept while the browser is at the issuer. */
const begun = storage("sessionStorage", "sign-in")
const CLIENT = { client_id: config.client_id }
const REDIRECT_URI = location.origin + location.pathname
const OPTIONS = { [oauth.allowInsecureRequests]: config.issuer.startsWith("http:") }

/** Go to the issuer. */
export async function begin() {
  const server = await discover()
  const kept = {
    verifier: oauth.generateRandomCodeVerifier(),
    state: oauth.generateRandomState(),
    nonce: oauth.generateRandomNonce(),
    query: location.search,
  }
  begun.write(kept)
  const target = new URL(/** @type {string} */ (server.authorization_endpoint))
  const parameters = {
    client_id: config.client_id,
    redirect_uri: REDIRECT_URI,
    response_type: "code",
    scope: "openid",
    state: kept.state,
    nonce: kept.nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(kept.verifier),
    code_challenge_method: "S256",
  }
  for (const [name, value] of Object.entries(parameters)) target.searchParams.set(name, value)
  location.assign(target)
}

/** Finish what `begin` began, when the issuer has sent the browser back. The address is again what it was. */
export async function finish() {
  const returned = new URL(location.href)
  const kept = begun.read()
  begun.write(null)
  restore(kept?.query ?? "")
  if (!kept) throw new Error("This sign-in was not begun in this tab. Sign in again.")
  const server = await discover()
  const parameters = oauth.validateAuthResponse(server, CLIENT, returned, kept.state)
  const answer = await oauth.authorizationCodeGrantRequest(server, CLIENT, oauth.None(), parameters, REDIRECT_URI, kept.verifier, OPTIONS)
  const tokens = await oauth.processAuthorizationCodeResponse(server, CLIENT, answer, { expectedNonce: kept.nonce, requireIdToken: true })
  const token = config.bearer === "access" ? tokens.access_token : /** @type {string} */ (tokens.id_token)
  const entered = { user: subject(token), token }
  await check(entered)
  signIn(entered)
}

async function discover() {
  const issuer = new URL(config.issuer)
  return oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, OPTIONS))
}
