# frozen_string_literal: true

# The Ruby runtime client: runs beside the function's code and speaks the Lambda Runtime API over one socket.
#
# Behaviour, error documents and log lines are those of AWS's own client (aws_lambda_ric 3.1). A raw socket, because
# net/http alone takes 15 ms to load; what AWS's client has loaded is there for handlers when they name it. Ruby 3.0
# and later.

require "socket"
require "json"
require "stringio"
require "logger"
require "time"

autoload :Net, "net/http"
autoload :URI, "uri"

# Loggers that write to the standard streams write lines of AWS's layout.
class LogFormatter < Logger::Formatter
  FORMAT = "%<sev>s, [%<datetime>s #%<process>d] %<severity>5s %<request_id>s -- %<progname>s: %<msg>s\n"

  def call(severity, time, progname, msg)
    members = { sev: severity[0], datetime: format_datetime(time), process: $$, severity: severity,
                request_id: $_global_aws_request_id, progname: progname, msg: msg2str(msg) }
    format(FORMAT, members).encode("UTF-8")
  end
end

module LoggerPatch
  def initialize(logdev, *args, formatter: nil, **options)
    formatter ||= LogFormatter.new if [$stdout, $stderr].include?(logdev)
    super(logdev, *args, formatter: formatter, **options)
  end
end
Logger.prepend(LoggerPatch)

module AwsLambda
  # How events and responses are read and written: a function may replace either method, as on AWS.
  class Marshaller
    class << self
      def marshall_request(raw_request)
        raw_request["Content-Type"] == "application/json" ? JSON.parse(raw_request.body) : raw_request.body
      end

      def marshall_response(method_response)
        case method_response
        when StringIO, IO then [method_response, "application/unknown"]
        else method_response.to_json
        end
      end
    end
  end
end

# The second argument of a handler.
class LambdaContext
  attr_reader :aws_request_id, :invoked_function_arn, :log_group_name, :log_stream_name, :function_name,
              :memory_limit_in_mb, :function_version, :identity, :tenant_id, :client_context, :deadline_ms

  def initialize(request)
    @clock_diff = now(Process::CLOCK_REALTIME) - now(Process::CLOCK_MONOTONIC)
    @deadline_ms = request["Lambda-Runtime-Deadline-Ms"].to_i
    @aws_request_id = request["Lambda-Runtime-Aws-Request-Id"]
    @invoked_function_arn = request["Lambda-Runtime-Invoked-Function-Arn"]
    @log_group_name = ENV["AWS_LAMBDA_LOG_GROUP_NAME"]
    @log_stream_name = ENV["AWS_LAMBDA_LOG_STREAM_NAME"]
    @function_name = ENV["AWS_LAMBDA_FUNCTION_NAME"]
    @memory_limit_in_mb = ENV["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
    @function_version = ENV["AWS_LAMBDA_FUNCTION_VERSION"]
    client_context = request["Lambda-Runtime-Client-Context"].to_s
    @client_context = JSON.parse(client_context) unless client_context.empty?
  end

  def get_remaining_time_in_millis
    [@deadline_ms - (now(Process::CLOCK_MONOTONIC) + @clock_diff), 0].max
  end

  private

  def now(clock)
    Process.clock_gettime(clock, :millisecond)
  end
end

# What handlers without a class are methods of.
class LambdaHandler
  attr_reader :handler_file_name, :handler_method_name

  def initialize(name)
    parts = name.split(".")
    case parts.size
    when 2 then @handler_file_name, @handler_method_name = parts
    when 3 then @handler_file_name, @handler_class, @handler_method_name = parts
    else
      raise ArgumentError, "Invalid handler #{parts}, must be of form FILENAME.METHOD or FILENAME.CLASS.METHOD where " \
                           "FILENAME corresponds with an existing Ruby source file FILENAME.rb, CLASS is an optional " \
                           "module/class namespace and METHOD is a callable method. If using CLASS, METHOD must be a " \
                           "class-level method."
    end
  end

  def call_handler(request:, context:)
    return __send__(@handler_method_name, event: request, context: context) unless @handler_class

    Kernel.const_get(@handler_class).send(@handler_method_name, event: request, context: context)
  end
end

module LambdatuneRuntime
  PREFIX = "/2018-06-01/runtime/"
  NEXT = "GET #{PREFIX}invocation/next HTTP/1.1\r\nHost: lambda\r\n\r\n"
  NAMED = %w[
    ArgumentError NoMethodError Exception StandardError NameError LoadError SystemExit SystemStackError
  ].freeze
  MOST_FRAMES = 100

  # An answer of the Runtime API; what a function's own Marshaller gets.
  class Answer
    attr_reader :body

    def initialize(headers, body)
      @headers = headers
      @body = body
    end

    def [](name)
      @headers[name.downcase]
    end
  end

  # One keep-alive connection; ends the process when it breaks.
  class Api
    def initialize(address)
      host, port = address.split(":")
      @socket = TCPSocket.new(host, port.to_i)
      @socket.setsockopt(Socket::IPPROTO_TCP, Socket::TCP_NODELAY, 1)
      @socket.binmode
    end

    def send(data)
      @socket.write(data)
      @socket.flush
    rescue SystemCallError, IOError
      exit!(1)
    end

    def receive
      line
      headers = {}
      until (text = line).empty?
        name, _, value = text.partition(":")
        headers[name.downcase] = value.strip
      end
      size = headers["content-length"].to_i
      body = size.zero? ? +"" : @socket.read(size)
      exit!(1) if body.nil? || body.bytesize < size
      Answer.new(headers, body.force_encoding(Encoding::UTF_8))
    rescue SystemCallError, IOError
      exit!(1)
    end

    # Posts `body`; `and_next` asks for the next event in the same packet.
    def post(path, body, headers = "", and_next: false)
      head = "POST #{PREFIX}#{path} HTTP/1.1\r\nHost: lambda\r\n#{headers}Content-Length: #{body.bytesize}\r\n\r\n"
      send([head, body, and_next ? NEXT : ""].map(&:b).join)
    end

    private

    def line
      @socket.gets("\r\n", chomp: true) || exit!(1)
    end
  end

  # An exception as AWS tells it: in the log, in the answer, and in a header.
  class Failure
    def initialize(error, classification)
      @error = error
      @type = "#{classification}<#{error.class}>"
    end

    def log(message)
      $stdout.puts(message, JSON.pretty_generate(document))
    end

    def body
      JSON.generate(document)
    end

    def header
      type = NAMED.include?(@error.class.to_s) ? @type : "Function<UserException>"
      "Lambda-Runtime-Function-Error-Type: #{type}\r\n"
    end

    private

    def document
      message = @error.message.dup.force_encoding(Encoding::UTF_8).scrub
      { errorMessage: message, errorType: @type, stackTrace: frames }
    end

    # The frames of the function: those above this client.
    def frames
      frames = (@error.backtrace_locations || []).first(MOST_FRAMES).map(&:to_s)
      frames.take_while { |frame| !frame.start_with?(__FILE__) }
    end
  end

  module_function

  # Runs until the process is to end; returns its exit code.
  def run
    api = Api.new(ENV.fetch("AWS_LAMBDA_RUNTIME_API"))
    handler = LambdaHandler.new(ENV.fetch("_HANDLER"))
    require handler.handler_file_name
    api.send(NEXT)
    loop do
      answer = api.receive
      # Anything without a request id is the receipt of our last answer.
      code = serve(api, handler, answer) if answer["Lambda-Runtime-Aws-Request-Id"]
      return code if code
    end
  rescue Exception => e # a file may raise anything
    failure = Failure.new(e, "Init")
    failure.log("Init error when loading handler #{ENV.fetch('_HANDLER')}")
    api.post("init/error", failure.body, failure.header)
    api.receive
    -4
  end

  # Answers one event; returns an exit code when that was the last.
  def serve(api, handler, answer)
    $_global_aws_request_id = answer["Lambda-Runtime-Aws-Request-Id"]
    path = "invocation/#{$_global_aws_request_id}"
    trace_id = answer["Lambda-Runtime-Trace-Id"]
    ENV["_X_AMZN_TRACE_ID"] = trace_id if trace_id
    event = AwsLambda::Marshaller.marshall_request(answer)
    response, content_type = answer_of(handler, event, LambdaContext.new(answer))
    headers = "Content-Type: #{content_type || 'application/json'}\r\n"
    api.post("#{path}/response", response.to_s, headers, and_next: true)
    nil
  rescue HandlerError => e
    failure = Failure.new(e.cause, "Function")
    failure.log(e.message)
    api.post("#{path}/error", failure.body, failure.header, and_next: !e.ends_process)
    return unless e.ends_process

    api.receive
    -1
  end

  # A handler that raised. What AWS calls critical ends the process too: names that do not exist, and whatever is no
  # StandardError.
  class HandlerError < StandardError
    attr_reader :ends_process

    def initialize(message, ends_process)
      super(message)
      @ends_process = ends_process
    end
  end

  def answer_of(handler, event, context)
    result = handler.call_handler(request: event, context: context)
    response, content_type = AwsLambda::Marshaller.marshall_response(result)
    [content_type == "application/unknown" ? response.read : response, content_type]
  rescue NameError
    raise HandlerError.new("Critical exception from handler", true)
  rescue StandardError
    raise HandlerError.new("Error raised from handler method", false)
  rescue Exception
    raise HandlerError.new("Critical exception from handler", true)
  end
end

$stdout.sync = true
# What was loaded is of this client; requires of the function look into its own directory first.
root = ENV.fetch("LAMBDA_TASK_ROOT")
$LOAD_PATH.unshift(root)
bundled = File.join(root, "vendor", "bundle", "ruby", RbConfig::CONFIG["ruby_version"])
Gem.paths = { "GEM_PATH" => [bundled, *Gem.path].join(File::PATH_SEPARATOR) } if File.directory?(bundled)
$PROGRAM_NAME = root
exit(LambdatuneRuntime.run)
