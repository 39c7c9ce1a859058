#include "mailbox.h"

#include <unistd.h>

#include "pool.h"

namespace pvc {
namespace {

struct Event : Message {
  uint64_t listener;
  Value payload;
  Event(uint64_t l, Value p) : listener(l), payload(std::move(p)) {}
  void Deliver(Napi::Env env, Mailbox& mailbox) override { mailbox.CallListener(env, listener, payload); }
};

using Held = std::shared_ptr<Mailbox>;

}  // namespace

Held Mailbox::Create(Napi::Env env) {
  auto mailbox = std::make_shared<Mailbox>();
  const auto name = Napi::String::New(env, "pvc_libvirt");
  if (napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, mailbox.get(), OnMessage,
                                      &mailbox->channel_) != napi_ok)
    throw Napi::Error::New(env, "cannot create the channel to the JavaScript thread");
  napi_unref_threadsafe_function(env, mailbox->channel_);
  auto* held = new Held(mailbox);
  // Hooks run last in, first out: ours is registered after the channel's own and so runs before the channel goes.
  napi_add_env_cleanup_hook(env, OnTeardown, held);
  env.SetInstanceData<Held>(new Held(mailbox));
  return mailbox;
}

const Held& Mailbox::Of(Napi::Env env) { return *env.GetInstanceData<Held>(); }

void Mailbox::OnTeardown(void* data) {
  std::unique_ptr<Held> held(static_cast<Held*>(data));
  Mailbox& mailbox = **held;
  {
    std::lock_guard<std::mutex> lock(mailbox.mutex_);
    mailbox.alive_ = false;
  }
  mailbox.listeners_.clear();
  mailbox.error_class.Reset();
  // The main thread's environment ends with the process; the kernel closes what is open.
  if (gettid() == getpid()) Pool::Get().Retire();
}

void Mailbox::Post(std::shared_ptr<Message> message) {
  auto data = std::make_unique<std::shared_ptr<Message>>(std::move(message));
  std::lock_guard<std::mutex> lock(mutex_);
  if (!alive_) return;
  if (napi_call_threadsafe_function(channel_, data.get(), napi_tsfn_nonblocking) == napi_ok) data.release();
}

void Mailbox::Emit(uint64_t listener, Value payload) { Post(std::make_shared<Event>(listener, std::move(payload))); }

void Mailbox::OnMessage(napi_env raw, napi_value, void* context, void* data) {
  std::unique_ptr<std::shared_ptr<Message>> message(static_cast<std::shared_ptr<Message>*>(data));
  if (raw == nullptr) return;  // the environment is going away
  Napi::Env env(raw);
  Napi::HandleScope scope(env);
  try {
    try {
      (*message)->Deliver(env, *static_cast<Mailbox*>(context));
    } catch (const Napi::Error& error) {
      // A listener threw: that is an uncaught exception, as in any event emitter.
      napi_fatal_exception(env, error.Value());
    }
  } catch (const Napi::Error&) {
    // The environment ends under our hands; nobody is left to be told.
  }
}

void Mailbox::Hold(Napi::Env env) {
  if (holds_++ == 0) napi_ref_threadsafe_function(env, channel_);
}

void Mailbox::Release(Napi::Env env) {
  if (--holds_ == 0) napi_unref_threadsafe_function(env, channel_);
}

uint64_t Mailbox::AddListener(Napi::Function listener) {
  const uint64_t id = next_listener_++;
  listeners_.emplace(id, Napi::Persistent(listener));
  Hold(listener.Env());
  return id;
}

void Mailbox::RemoveListener(Napi::Env env, uint64_t id) {
  if (listeners_.erase(id) > 0) Release(env);
}

void Mailbox::CallListener(Napi::Env env, uint64_t id, const Value& payload) {
  const auto found = listeners_.find(id);
  if (found == listeners_.end()) return;
  // The listener may remove itself: keep the function, not the map entry.
  const Napi::Function listener = found->second.Value();
  listener.Call({ToJs(env, payload)});
}

}  // namespace pvc
