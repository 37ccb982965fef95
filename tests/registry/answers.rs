//! What a registry without faults answers.

use sha2::{Digest as _, Sha256};

use super::{Answer, Asked, Auth, Several, State};

pub fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

impl State {
    pub fn answer(&mut self, asked: &Asked, own: &str) -> Answer {
        if asked.path == "/token" {
            return self.token(asked);
        }
        if let Some(refused) = self.refused(asked, own) {
            return refused;
        }
        let Some(rest) = asked.path.strip_prefix("/v2/") else { return Answer::new(404).body("no such page") };
        if rest.is_empty() {
            return Answer::new(200).body("{}");
        }
        let parts = |what: &str| {
            let (repository, rest) = rest.split_once(what)?;
            Some((repository.to_owned(), rest.to_owned()))
        };
        if let Some((repository, id)) = parts("/blobs/uploads/") {
            return self.upload(asked, &repository, &id, own);
        }
        if let Some((repository, digest)) = parts("/blobs/") {
            return self.blob(asked, &repository, &digest);
        }
        if let Some((repository, reference)) = parts("/manifests/") {
            return self.manifest(asked, &repository, &reference);
        }
        if let Some((repository, _)) = parts("/tags/list") {
            return self.tags(asked, &repository);
        }
        Answer::error(404, "NAME_UNKNOWN")
    }

    fn token(&mut self, asked: &Asked) -> Answer {
        let scope = asked.query.get("scope").cloned();
        let form = String::from_utf8_lossy(&asked.body).into_owned();
        let may = match &self.auth {
            Auth::Token(None) => !scope.as_ref().is_some_and(|scope| scope.contains("push")),
            Auth::Token(Some((user, password))) => asked.header("authorization") == Some(&basic(user, password)),
            Auth::Identity(token) => asked.method == "POST" && form.contains(&format!("refresh_token={token}")),
            _ => false,
        };
        if !may {
            return Answer::new(401).body(r#"{"details":"incorrect username or password"}"#);
        }
        self.issued += 1;
        let token = format!("secret-token-{}", self.issued);
        self.tokens.insert(format!("Bearer {token}"));
        let expires = self.expires_in.as_ref().map_or(String::new(), |seconds| format!(r#","expires_in":{seconds}"#));
        Answer::new(200).body(format!(r#"{{"token":"{token}"{expires}}}"#))
    }

    fn refused(&self, asked: &Asked, own: &str) -> Option<Answer> {
        // By another name it is the storage that the registry sends clients to: who knows the URL may.
        if asked.header("host").is_some_and(|host| host.starts_with("127.")) {
            return None;
        }
        let shown = asked.header("authorization").unwrap_or_default();
        let (fits, challenge) = match &self.auth {
            Auth::None => (true, String::new()),
            Auth::Basic(user, password) => (shown == basic(user, password), "Basic realm=\"test\"".to_owned()),
            Auth::Token(_) | Auth::Identity(_) => {
                let realm = self.realm.clone().unwrap_or_else(|| format!("{own}/token"));
                (self.tokens.contains(shown), format!("Bearer realm=\"{realm}\",service=\"test\""))
            }
        };
        (!fits).then(|| Answer::error(401, "UNAUTHORIZED").header("WWW-Authenticate", challenge))
    }

    fn manifest(&mut self, asked: &Asked, repository: &str, reference: &str) -> Answer {
        let key = (repository.to_owned(), reference.to_owned());
        if asked.method == "PUT" {
            if self.lacks(repository, &asked.body).is_some() {
                return Answer::error(400, "MANIFEST_BLOB_UNKNOWN");
            }
            let found = digest(&asked.body);
            let stored = (asked.header("content-type").unwrap_or_default().to_owned(), asked.body.clone());
            self.manifests.insert((repository.to_owned(), found.clone()), stored.clone());
            self.manifests.insert(key, stored);
            return Answer::new(201).header("Docker-Content-Digest", found);
        }
        let Some((media_type, bytes)) = self.manifests.get(&key) else {
            return Answer::error(404, "MANIFEST_UNKNOWN");
        };
        let answer = Answer::new(200).header("Content-Type", media_type);
        answer.header("Docker-Content-Digest", digest(bytes)).body(bytes.clone())
    }

    /// What a manifest or an index names and the repository has not, if there is anything.
    fn lacks(&self, repository: &str, document: &[u8]) -> Option<String> {
        let document: serde_json::Value = serde_json::from_slice(document).unwrap_or_default();
        let key = |entry: &serde_json::Value| (repository.to_owned(), entry["digest"].as_str().unwrap().to_owned());
        let listed = |name: &str| document[name].as_array().cloned().unwrap_or_default();
        let blobs = listed("layers").into_iter().chain(document.get("config").cloned());
        let lacked = blobs.map(|blob| key(&blob)).find(|key| self.blobs.get(key).is_none_or(|b| digest(b) != key.1));
        let manifests = || listed("manifests").into_iter().map(|entry| key(&entry));
        let below = |key: (String, String)| match self.manifests.get(&key) {
            Some((_, bytes)) if digest(bytes) == key.1 => self.lacks(repository, bytes),
            _ => Some(key.1),
        };
        lacked.map(|key| key.1).or_else(|| manifests().find_map(below))
    }

    /// Tags that lead to no whole image, and what is missing.
    pub fn incomplete(&self) -> Vec<String> {
        let tags = self.manifests.iter().filter(|((_, reference), _)| !reference.contains(':'));
        let lacked = |((repository, tag), (_, bytes)): (&(String, String), &(String, Vec<u8>))| {
            self.lacks(repository, bytes).map(|digest| format!("{repository}:{tag} lacks {digest}"))
        };
        tags.filter_map(lacked).collect()
    }

    /// Two a page.
    fn tags(&self, asked: &Asked, repository: &str) -> Answer {
        let last = asked.query.get("last").cloned().unwrap_or_default();
        let keys = self.manifests.keys().filter(|(of, tag)| of == repository && !tag.contains(':') && *tag > last);
        let tags: Vec<&str> = keys.map(|(_, tag)| tag.as_str()).collect();
        let page = &tags[..tags.len().min(2)];
        let body = format!(r#"{{"name":"{repository}","tags":["{}"]}}"#, page.join("\",\""));
        let answer = Answer::new(200).body(body);
        if tags.len() == page.len() {
            return answer;
        }
        answer.header("Link", format!("</v2/{repository}/tags/list?n=2&last={}>; rel=\"next\"", page[1]))
    }

    fn blob(&self, asked: &Asked, repository: &str, digest: &str) -> Answer {
        let Some(bytes) = self.blobs.get(&(repository.to_owned(), digest.to_owned())) else {
            return Answer::error(404, "BLOB_UNKNOWN");
        };
        let whole = || Answer::new(200).header("Content-Type", "application/octet-stream").body(bytes.clone());
        let Some(ranges) = asked.header("range").and_then(|range| range.strip_prefix("bytes=")) else { return whole() };
        let spans = ranges.split(',').map(|range| {
            let (first, last) = range.split_once('-').unwrap();
            (first.parse::<usize>().unwrap(), last.parse::<usize>().unwrap() + 1)
        });
        let mut spans: Vec<_> = spans.collect();
        if self.no_ranges {
            return whole();
        }
        if spans.iter().any(|span| span.1 > bytes.len()) {
            return Answer::new(416);
        }
        if spans.len() > 1 {
            match self.several {
                Several::Parts => {}
                Several::UpTo(most, _) if spans.len() <= most => {}
                Several::Joined => spans = joined(&spans),
                Several::Whole | Several::UpTo(_, 200) => return whole(),
                Several::Status(status) | Several::UpTo(_, status) => {
                    return Answer::new(status).body("Unsupported client range");
                }
            }
        }
        let range = |(start, end): (usize, usize)| format!("bytes {start}-{}/{}", end - 1, bytes.len());
        if let [one] = spans[..] {
            return Answer::new(206).header("Content-Range", range(one)).body(&bytes[one.0..one.1]);
        }
        let mut body = Vec::new();
        for span in spans {
            let head = format!("--of:test\r\nContent-Type: x\r\nContent-Range: {}\r\n\r\n", range(span));
            body.extend([head.as_bytes(), &bytes[span.0..span.1], b"\r\n"].concat());
        }
        body.extend(b"--of:test--\r\n");
        Answer::new(206).header("Content-Type", "multipart/byteranges; boundary=of:test").body(body)
    }

    fn upload(&mut self, asked: &Asked, repository: &str, id: &str, own: &str) -> Answer {
        if asked.method == "POST" {
            if let (Some(digest), Some(from)) = (asked.query.get("mount"), asked.query.get("from"))
                && let Some(bytes) = self.blobs.get(&(from.clone(), digest.clone())).cloned()
            {
                self.blobs.insert((repository.to_owned(), digest.clone()), bytes);
                return Answer::new(201).header("Docker-Content-Digest", digest);
            }
            self.next_upload += 1;
            let id = self.next_upload.to_string();
            self.uploads.insert(id.clone(), Vec::new());
            return Answer::new(202)
                .header("Location", format!("{own}/v2/{repository}/blobs/uploads/{id}?_state=secret"));
        }
        let Some(so_far) = self.uploads.get_mut(id) else { return Answer::error(404, "BLOB_UPLOAD_UNKNOWN") };
        match asked.method.as_str() {
            "DELETE" => {
                self.uploads.remove(id);
                return Answer::new(204);
            }
            "PATCH" => {
                let start = asked.header("content-range").map(|range| range.split('-').next().unwrap().to_owned());
                if start.is_some_and(|start| start != so_far.len().to_string()) {
                    return Answer::error(416, "BLOB_UPLOAD_INVALID");
                }
                so_far.extend(&asked.body);
                let location = format!("/v2/{repository}/blobs/uploads/{id}?_state=secret");
                return Answer::new(202)
                    .header("Location", location)
                    .header("Range", format!("0-{}", so_far.len().max(1) - 1));
            }
            _ => {}
        }
        so_far.extend(&asked.body);
        let bytes = self.uploads.remove(id).unwrap();
        let found = digest(&bytes);
        if asked.query.get("digest") != Some(&found) {
            return Answer::error(400, "DIGEST_INVALID");
        }
        self.blobs.insert((repository.to_owned(), found.clone()), bytes);
        Answer::new(201).header("Docker-Content-Digest", found)
    }
}

fn joined(spans: &[(usize, usize)]) -> Vec<(usize, usize)> {
    let mut joined: Vec<(usize, usize)> = Vec::new();
    for span in spans {
        match joined.last_mut() {
            Some(last) if span.0 <= last.1 + 100 => last.1 = span.1,
            _ => joined.push(*span),
        }
    }
    joined
}

fn basic(user: &str, password: &str) -> String {
    use base64::Engine as _;
    format!("Basic {}", base64::prelude::BASE64_STANDARD.encode(format!("{user}:{password}")))
}
