// The way back to JavaScript: one mailbox per environment. Any thread posts, the JavaScript thread delivers in order.
// The environment may go away while calls are outstanding; posts after that are dropped.
#pragma once

#include <napi.h>

#include <memory>
#include <mutex>
#include <unordered_map>

#include "value.h"

namespace pvc {

class Message {
 public:
  virtual ~Message() = default;
  // Runs on the JavaScript thread.
  virtual void Deliver(Napi::Env env, Mailbox& mailbox) = 0;
};

class Mailbox {
 public:
  static std::shared_ptr<Mailbox> Create(Napi::Env env);
  static const std::shared_ptr<Mailbox>& Of(Napi::Env env);

  // Any thread.
  void Post(std::shared_ptr<Message> message);
  // Calls the listener with `payload`, unless it was removed meanwhile. Any thread.
  void Emit(uint64_t listener, Value payload);

  // The rest: JavaScript thread only.
  // Outstanding calls and listeners keep the process alive, idle connections do not.
  void Hold(Napi::Env env);
  void Release(Napi::Env env);
  uint64_t AddListener(Napi::Function listener);
  void RemoveListener(Napi::Env env, uint64_t id);
  void CallListener(Napi::Env env, uint64_t id, const Value& payload);

  // Class of the errors that calls reject with: (message, {code, domain, level, call}).
  Napi::FunctionReference error_class;

 private:
  static void OnMessage(napi_env env, napi_value, void* context, void* data);
  static void OnTeardown(void* self);

  std::mutex mutex_;
  bool alive_ = true;
  napi_threadsafe_function channel_ = nullptr;
  int holds_ = 0;
  uint64_t next_listener_ = 1;
  std::unordered_map<uint64_t, Napi::FunctionReference> listeners_;
};

}  // namespace pvc
